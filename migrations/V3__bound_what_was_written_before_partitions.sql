-- The first of three steps that turn the record into tables with a partition for each span of time, while services go on
-- writing it, older ones among them. What is there becomes the oldest partition; this step says where it ends: at a
-- midnight a few days from now, so that nothing that is written until the last step lies beyond.
--
-- A check that is not validated yet costs a lock for a moment. For that lock it waits a tenth of a second at a time, as
-- whoever wants to write waits behind it. An empty record needs none of this.
do $$
declare
    day   constant timestamptz := (date_trunc('day', now() at time zone 'utc') + interval '4 days') at time zone 'utc';
    -- Ids are UUIDv7: the first 48 bits are the milliseconds.
    bound constant uuid := (lpad(to_hex((extract(epoch from day) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
    tries int := 0;
begin
    if not exists (select from raw_data) and not exists (select from prediction) then
        return;
    end if;
    set local lock_timeout = '100ms';
    loop
        begin
            execute format('alter table raw_data add constraint before_partitions check (id < %L) not valid', bound);
            execute format('alter table prediction add constraint before_partitions check (id < %L) not valid', bound);
            execute format('alter table truth add constraint before_partitions check (id < %L) not valid', bound);
            exit;
        exception when lock_not_available then
            tries := tries + 1;
            if tries = 600 then raise; end if;
            perform pg_sleep(0.1);
        end;
    end loop;
end
$$;
