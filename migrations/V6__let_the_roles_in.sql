-- If the roles of deploy/sql/roles.sql are there already, the writer may add to what the migrator has just made. Made later,
-- they get this from that file.
do $$
begin
    if exists (select from pg_roles where rolname = 'onrecord_writer') then
        grant insert, select on raw_data, prediction, truth, idempotency_key to onrecord_writer;
        grant select on prediction_log, refinery_schema_history to onrecord_writer;
    end if;
    if exists (select from pg_roles where rolname = 'onrecord_reader') then
        grant select on raw_data, prediction, truth, prediction_log, refinery_schema_history to onrecord_reader;
        revoke select on idempotency_key from onrecord_reader;
    end if;
end
$$;
