-- The second step: PostgreSQL looks through what is there, while everybody goes on reading and writing, so that the last
-- step need not. Rows under ids of another kind, which somebody else must have inserted, lie beyond the bound; where there
-- are any, the last step looks itself, which takes a lock for as long as that lasts.
do $$
declare
    name  text;
    bound uuid;
    beyond bool;
begin
    foreach name in array array['raw_data', 'prediction', 'truth'] loop
        select (regexp_match(pg_get_constraintdef(oid), '''([0-9a-f-]{36})'''))[1]::uuid into bound
        from pg_constraint where conrelid = name::regclass and conname = 'before_partitions';
        continue when bound is null;
        execute format('select exists (select from %I where id >= %L)', name, bound) into beyond;
        if not beyond then
            execute format('alter table %I validate constraint before_partitions', name);
        end if;
    end loop;
end
$$;
