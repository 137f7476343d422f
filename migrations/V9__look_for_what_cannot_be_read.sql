-- Looks through what is there, while everybody goes on reading and writing. Where a row does not fit, its table keeps the check
-- as it is, for new rows: the row is left out of every page, which the service says, until somebody mends or deletes it.
do $$
declare
    checked record;
begin
    for checked in
        select conrelid::regclass as whole, conname from pg_constraint
        where conname in ('prediction_timestamp_check', 'raw_data_timestamp_check', 'prediction_probabilities_check')
          and conrelid in ('prediction'::regclass, 'raw_data'::regclass)
    loop
        begin
            execute format('alter table %s validate constraint %I', checked.whole, checked.conname);
        exception when check_violation then
            raise warning '%: rows do not fit %', checked.whole, checked.conname;
        end;
    end loop;
end
$$;
