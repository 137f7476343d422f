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
--
-- It expects a database for the record alone, and closes that to everybody else. Where others have something in it, it
-- changes nothing and names them. Then give the record a database of its own, or add
--
--     -v company=1      nothing of others is touched, and they keep every right that they have
--
-- The record is in the schema public, or in another:
--
--     -v schema=NAME

\set ON_ERROR_STOP on
\if :{?schema}
\else
    \set schema public
\endif
\if :{?company}
\else
    \set company 0
\endif

begin;

-- Where a block has to know them, which psql does not look into.
select set_config('onrecord.schema', :'schema', true) as schema, set_config('onrecord.company', :'company', true) as company
\gset onrecord_
select format('create schema %I', :'schema') where to_regnamespace(quote_ident(:'schema')) is null
\gexec

-- Everything that the migrations make, under exactly these names; the partitions; and the tables that were taken out of the record to be removed, as
-- `storage::leaving` knows it. Only a record that was begun by our migrations is ours: others have such names as well.
create temporary table ours (class oid, object oid, kind text, name text) on commit drop;
do $$
declare
    place   constant regnamespace := quote_ident(current_setting('onrecord.schema'));
    history constant regclass := to_regclass(format('%s.refinery_schema_history', place));
    ours    bool := false;
    taken   text;
begin
    if history is not null then
        begin
            execute format('select exists (select from %s where version = 1 and name = %L)', history, 'create_the_record') into ours;
        exception when undefined_column or undefined_function then
            -- Somebody else's table.
        end;
    end if;
    insert into pg_temp.ours
    with recursive named as (
        select oid, relkind from pg_class
        where relnamespace = place
          and (relkind in ('r', 'p')
                   and relname in ('raw_data', 'prediction', 'truth', 'idempotency_key', 'refinery_schema_history')
               or relkind = 'v' and relname = 'prediction_log'
               or relkind = 'r' and not relispartition and relname ~ '^(raw_data|prediction|truth)_.*_left$'
                   and obj_description(oid, 'pg_class') = 'Left the record, and is removed by those who keep it up')
        union
        select child.oid, child.relkind from named
        join pg_inherits on inhparent = named.oid
        join pg_class as child on child.oid = inhrelid
        where child.relispartition and child.relkind in ('r', 'p')
    )
    select 'pg_class'::regclass, oid, case relkind when 'v' then 'view' else 'table' end, oid::regclass::text from named
    union all
    select 'pg_proc'::regclass, oid, 'function', oid::regprocedure::text from pg_proc
    where pronamespace = place and proname = 'truth_needs_a_prediction' and pronargs = 0;

    if not ours then
        select string_agg(kind || ' ' || name, ', ' order by name) into taken from pg_temp.ours;
        if taken is not null then
            raise exception 'the schema % holds what is called as the record will be, and is none: %', place, taken
                using hint = 'Give the record a database or a schema (-v schema=NAME) of its own.';
        end if;
    end if;
end
$$;

-- The others here, who lose something if the schema and the database are closed: everything that depends on the schema, and every
-- role that owns something in this database or was granted something on it. Superusers, and who owns both, lose nothing.
create temporary table company (who text) on commit drop;
with ours as (
    select class, object from ours
    union all
    -- Things that hang on a table of ours, such as the sequence of a column.
    select classid, objid from pg_depend
    join ours on refclassid = class and refobjid = object
    where deptype in ('a', 'i') and classid = 'pg_class'::regclass
), place as (
    select pg_namespace.oid as schema, nspowner, pg_database.oid as database, datdba from pg_namespace, pg_database
    where nspname = :'schema' and datname = current_database()
), things as (
    select classid, objid from place
    join pg_depend on refclassid = 'pg_namespace'::regclass and refobjid = schema and deptype = 'n'
    where classid <> 'pg_extension'::regclass
    except
    select class, object from ours
    except
    select classid, objid from pg_depend where deptype = 'e'
), roles as (
    select rolname from place
    join pg_shdepend on dbid = database or (dbid = 0 and classid = 'pg_database'::regclass and objid = database)
    join pg_roles on refclassid = 'pg_authid'::regclass and refobjid = pg_roles.oid
    where not rolsuper and pg_roles.oid not in (nspowner, datdba)
      and rolname not in (current_user, session_user, 'onrecord_migrator', 'onrecord_writer', 'onrecord_reader')
      and not (deptype = 'o' and (classid, objid) in (select class, object from ours))
)
insert into company
select type || ' ' || identity from things, pg_identify_object(classid, objid, 0)
union
select 'role ' || quote_ident(rolname) from roles;

do $$
declare
    named  text;
    number bigint;
begin
    select count(*), string_agg(who, ', ' order by who) filter (where turn <= 20) into number, named
    from (select who, row_number() over (order by who) as turn from pg_temp.company) as company;
    if number = 0 then
        return;
    end if;
    named := named || case when number > 20 then format(' and %s more', number - 20) else '' end;
    if not current_setting('onrecord.company')::bool then
        raise exception 'others have something in the database %: %', current_database(), named
            using detail = 'This would take away from them the database, its schema and large objects. Nothing was changed.',
                  hint = 'Give the record a database of its own; or add -v company=1, and nothing of theirs is touched.';
    end if;
    raise notice 'nothing was taken away from the others in the database %: %', current_database(), named
        using detail = 'Whoever may connect to it still may, and can fill the disk with large objects; and what everybody '
                       'may do in the schema, everybody still may.';
end
$$;

select format('create role %I login nosuperuser nocreatedb nocreaterole', name)
from unnest(array['onrecord_migrator', 'onrecord_writer', 'onrecord_reader']) as name
where not exists (select from pg_roles where rolname = name)
\gexec

select not :'company'::bool as alone
\gset onrecord_
\if :onrecord_alone
-- Nobody makes anything here but the migrator.
revoke all on schema :"schema" from public;
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
\endif

grant connect on database :"DBNAME" to onrecord_migrator, onrecord_writer, onrecord_reader;
grant usage, create on schema :"schema" to onrecord_migrator;
grant usage on schema :"schema" to onrecord_writer, onrecord_reader;

-- Tables of the record that somebody else made are the migrator's from now on. They can be read, partition by partition, as a record is
-- looked up in its own; those of later are opened by those who make them. To be added to, a table has to be named below, so a
-- partition can only be written through the table that it belongs to.
select format('alter %s %s owner to onrecord_migrator', kind, name)
from ours
left join pg_class on class = 'pg_class'::regclass and pg_class.oid = object
left join pg_proc on class = 'pg_proc'::regclass and pg_proc.oid = object
where coalesce(relowner, proowner) <> 'onrecord_migrator'::regrole
union all
select format('grant select on %s to onrecord_writer, onrecord_reader', name) from ours where kind <> 'function'
\gexec
-- This file granted more before: whatever the migrator would make.
alter default privileges for role onrecord_migrator in schema :"schema"
    revoke select on tables from onrecord_writer, onrecord_reader;

-- Before the first migration there is nothing to grant; the last of them will do it. The answers of keyed requests are the
-- callers' business, and the service has no way to say what turned out to be right.
select statement
from unnest(
    array['raw_data', 'prediction', 'idempotency_key', 'idempotency_key', 'truth'],
    array['grant insert on %s to onrecord_writer', 'grant insert on %s to onrecord_writer',
          'grant insert on %s to onrecord_writer', 'revoke select on %s from onrecord_reader',
          'revoke insert on %s from onrecord_writer']
) as rule (name, template)
join ours on object = to_regclass(format('%I.%I', :'schema', rule.name)),
format(template, ours.name) as statement
\gexec

-- What the service tells each session of its own, a session behind a pooler has from here.
alter role onrecord_writer set synchronous_commit = on;
alter role onrecord_writer set statement_timeout = '1500ms';
alter role onrecord_writer set lock_timeout = '1200ms';
alter role onrecord_writer set idle_in_transaction_session_timeout = '10s';
alter role onrecord_writer set plan_cache_mode = force_generic_plan;
-- All of them find the record, whatever other schemas there are, and psql and sessions behind a pooler too.
select format('alter role %I in database %I set search_path = %I', name, current_database(), :'schema')
from unnest(array['onrecord_migrator', 'onrecord_writer', 'onrecord_reader']) as name
\gexec
-- A role may change its own settings and its own password; nothing takes that away. So this is a reminder for the reader,
-- whom the grants above keep from writing, and the service tells its sessions itself what it needs.
alter role onrecord_reader set default_transaction_read_only = on;

commit;
