-- The last step: the tables of the record become partitioned by id, which is by time, as ids are UUIDv7. Old data leaves by
-- dropping a partition, which costs the same however many rows it has, and not by DELETE.
--
-- The service makes partitions ahead of time (see the crate `storage`), so none are made here, but for two: what is there
-- already, and a default for ids that no other partition takes. That one stays empty unless the service was not kept up or
-- somebody inserts ids of another kind; it is watched.
--
-- All is prepared beforehand, so the locks are held for milliseconds. For them it waits a tenth of a second at a time.

-- The truth is partitioned like the record, so that it leaves with it. It had a foreign key; but to drop a partition that
-- others refer to, PostgreSQL would look through all of it. A trigger keeps truths of unknown predictions out instead.
create function truth_needs_a_prediction() returns trigger language plpgsql as $$
begin
    if not exists (select from prediction where id = new.id) then
        raise foreign_key_violation using
            message = 'there is no prediction ' || new.id,
            table = tg_table_name, constraint = 'truth_needs_a_prediction';
    end if;
    return new;
end
$$;

comment on function truth_needs_a_prediction() is 'What a foreign key from truth to prediction would do, without its price';

do $$
declare
    tries int := 0;
    name  text;
    old   text;
    bound uuid;
    acl   record;
begin
    set local lock_timeout = '100ms';
    loop
        begin
            -- In the order of those who read and write.
            lock table prediction, raw_data, truth in access exclusive mode;
            exit;
        exception when lock_not_available or deadlock_detected then
            tries := tries + 1;
            if tries = 600 then raise; end if;
            perform pg_sleep(0.1);
        end;
    end loop;

    alter table truth drop constraint truth_id_fkey;
    foreach name in array array['raw_data', 'prediction', 'truth'] loop
        select (regexp_match(pg_get_constraintdef(oid), '''([0-9a-f-]{36})'''))[1]::uuid into bound
        from pg_constraint where conrelid = name::regclass and conname = 'before_partitions';
        old := name || '_' || case when bound is null then 'empty' else to_char(
            to_timestamp(('x' || left(replace(bound::text, '-', ''), 12))::bit(48)::bigint / 1000.0) at time zone 'utc',
            '"until"_YYYYMMDD') end;

        execute format('alter table %I rename to %I', name, old);
        execute format('alter index %I rename to %I', name || '_pkey', old || '_pkey');
        execute format('create table %I (like %I including all) partition by range (id)', name, old);
        execute format('alter table %I drop constraint if exists before_partitions', name);
        -- Whoever was granted something on the table has it on what takes its place.
        for acl in
            select case grantee when 0 then 'public' else grantee::regrole::text end as whom, privilege_type as what
            from pg_class, aclexplode(relacl) where pg_class.oid = old::regclass and grantee <> relowner
        loop
            execute format('grant %s on %I to %s', acl.what, name, acl.whom);
        end loop;

        execute format('create table %I partition of %I default', name || '_default', name);
        if bound is null then
            -- It was empty before the first step; what came since then is little.
            execute format('insert into %I select * from %I', name || '_default', old);
            continue;
        end if;
        execute format('with beyond as (delete from %I where id >= %L returning *) insert into %I select * from beyond',
                       old, bound, name || '_default');
        execute format('alter table %I attach partition %I for values from (minvalue) to (%L)', name, old, bound);
        execute format('alter table %I drop constraint before_partitions', old);
    end loop;
end
$$;

create trigger truth_needs_a_prediction before insert or update of id on truth
    for each row execute function truth_needs_a_prediction();

comment on table raw_data is 'The inputs, bit for bit as they were sent; one row for each row of prediction; partitioned by time';
comment on table prediction is 'The answers; one row for each row of raw_data, written by the same statement; partitioned by time';
comment on table truth is 'The class that turned out to be right, for those predictions of which it is known; partitioned by time';

-- The same view, of the tables that are called so now.
create or replace view prediction_log as
select
    prediction.id,
    prediction."timestamp",
    raw_data.sepal_width,
    raw_data.sepal_length,
    raw_data.petal_width,
    raw_data.petal_length,
    prediction.iris_class,
    (array['setosa', 'versicolor', 'virginica'])[prediction.iris_class + 1] as species,
    prediction.probabilities,
    prediction.probabilities[prediction.iris_class + 1] as confidence,
    prediction.model_version,
    truth.iris_class as truth
from prediction
join raw_data using (id)
left join truth using (id);

-- Whose rows, if there were any, are in the default partitions.
drop table if exists raw_data_empty, prediction_empty, truth_empty;
