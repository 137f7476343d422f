-- Values that the tables took although nobody can read them: times that RFC 3339 cannot say, and arrays whose first element is
-- not number 1, of which confidence is null. The checks are not validated yet, which costs a lock for a moment; the next step
-- looks through what is there. For the lock it waits a tenth of a second at a time, as whoever wants to write waits behind it.
do $$
declare
    years constant text := '"timestamp" >= ''0001-01-01 00:00:00+00'' and "timestamp" < ''10000-01-01 00:00:00+00''';
    tries int := 0;
begin
    set local lock_timeout = '100ms';
    loop
        begin
            lock table prediction, raw_data in access exclusive mode;
            exit;
        exception when lock_not_available or deadlock_detected then
            tries := tries + 1;
            if tries = 600 then raise; end if;
            perform pg_sleep(0.1);
        end;
    end loop;
    execute format('alter table prediction add constraint prediction_timestamp_check check (%s) not valid', years);
    execute format('alter table raw_data add constraint raw_data_timestamp_check check (%s) not valid', years);
    -- The same in fewer words, which PostgreSQL reads for every statement that writes; the bounds are new.
    alter table prediction drop constraint prediction_probabilities_check;
    alter table prediction add constraint prediction_probabilities_check check (
        (array_dims(probabilities) = '[1:3]' and 0 <= all (probabilities) and 1 >= all (probabilities)) is true
    ) not valid;

    -- The function would use the search_path of its caller; that of pg_restore is empty, so the table was not found.
    execute format('alter function truth_needs_a_prediction() set search_path = %I, pg_temp', current_schema());
end
$$;
