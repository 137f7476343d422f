-- The roles of the record, none of them a superuser. Run it once as an administrator of the server, in the database of the
-- record, and again after an upgrade; it may be repeated:
--
--     psql 'postgresql://postgres@…/onrecord' -v ON_ERROR_STOP=1 -f deploy/sql/roles.sql
--
-- onrecord_migrator  owns everything: the schema, its migrations, partitions, retention.  MAINTENANCE_DATABASE_URL
-- onrecord_writer    adds to the record and reads it. It cannot change or remove anything.     DATABASE_URL
-- onrecord_reader    reads the record: analysts, dashboards.                                READ_DATABASE_URL, psql
--
-- They can log in once they have a password (\password onrecord_writer) or a line in pg_hba.conf.

\set ON_ERROR_STOP on

select format('create role %I login nosuperuser nocreatedb nocreaterole', name)
from unnest(array['onrecord_migrator', 'onrecord_writer', 'onrecord_reader']) as name
where not exists (select from pg_roles where rolname = name)
\gexec

begin;

-- Nobody makes anything here but the migrator.
revoke all on schema public from public;
revoke all on database :"DBNAME" from public;
-- Large objects are files on the disk that everybody may write, in read-only transactions too.
do $$
declare
    name regprocedure;
begin
    for name in
        select oid from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace and proname ~ '^(lo_|lowrite$|loread$|be_lo_)'
    loop
        execute format('revoke execute on function %s from public', name);
    end loop;
exception when insufficient_privilege then
    raise warning 'only a superuser can revoke the functions for large objects: who may connect can fill the disk with them';
end
$$;

grant connect on database :"DBNAME" to onrecord_migrator, onrecord_writer, onrecord_reader;
grant usage, create on schema public to onrecord_migrator;
grant usage on schema public to onrecord_writer, onrecord_reader;

-- What somebody else made before is the migrator's from now on.
do $$
declare
    thing record;
begin
    for thing in
        select pg_class.oid::regclass as name, case relkind when 'v' then 'view' else 'table' end as kind
        from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v')
          and relowner <> 'onrecord_migrator'::regrole
          and relname ~ '^(raw_data|prediction|truth|idempotency_key|refinery_schema_history)'
    loop
        execute format('alter %s %s owner to onrecord_migrator', thing.kind, thing.name);
    end loop;
    for thing in
        select oid::regprocedure as name from pg_proc
        where pronamespace = 'public'::regnamespace and proname = 'truth_needs_a_prediction'
          and proowner <> 'onrecord_migrator'::regrole
    loop
        execute format('alter function %s owner to onrecord_migrator', thing.name);
    end loop;
end
$$;

-- What the migrator makes from now on can be read: partitions are read one by one. To be added to, a table has to be named
-- below, so a partition can only be written through the table that it belongs to.
alter default privileges for role onrecord_migrator in schema public grant select on tables to onrecord_writer, onrecord_reader;
grant select on all tables in schema public to onrecord_writer, onrecord_reader;

-- The answers of keyed requests are the callers' business.
do $$
declare
    name text;
begin
    foreach name in array array['raw_data', 'prediction', 'idempotency_key'] loop
        -- Before the first migration there is nothing to grant; the last of them will do it.
        if to_regclass(name) is not null then
            execute format('grant insert on %I to onrecord_writer', name);
        end if;
    end loop;
    -- The service has no way to say what turned out to be right.
    if to_regclass('truth') is not null then
        revoke insert on truth from onrecord_writer;
    end if;
    if to_regclass('idempotency_key') is not null then
        revoke select on idempotency_key from onrecord_reader;
    end if;
end
$$;

-- What the service tells each session of its own, a session behind a pooler has from here.
alter role onrecord_writer set synchronous_commit = on;
alter role onrecord_writer set statement_timeout = '1500ms';
alter role onrecord_writer set lock_timeout = '1200ms';
alter role onrecord_writer set idle_in_transaction_session_timeout = '10s';
alter role onrecord_writer set plan_cache_mode = force_generic_plan;
-- A role may change its own settings and its own password; nothing takes that away. So this is a reminder for the reader,
-- whom the grants above keep from writing, and the service tells its sessions itself what it needs.
alter role onrecord_reader set default_transaction_read_only = on;

commit;
