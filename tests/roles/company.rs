//! The file takes nothing from others in the database.

use tokio_postgres::Client;

use super::{MIGRATOR, READER, check_refused, connect, run_file, service, url};
use crate::support::{OwnPostgres, Service, count, flower};

/// Another application, which was here first, and a dashboard of it.
const OTHERS: &str = "
    create role otherapp login;
    create role dashboard login;
    grant create on schema public to otherapp;
    grant usage on schema public to dashboard;
    create publication everything for all tables;
    set role otherapp;
    create table predictions (id int primary key, made_by text);
    create table salaries (x serial, y int generated always as identity);
    create table prediction_notes_left (x int);
    create view prediction_totals as select count(*) from predictions;
    create materialized view truths as select * from predictions;
    create type mood as enum ('well');
    create domain length_cm as float8;
    create function truth_needs_a_prediction(int) returns int language sql as 'select 1';
    alter table salaries enable row level security;
    create policy own on salaries using (x = 1);
    grant select on predictions, prediction_totals to dashboard;
    alter default privileges in schema public grant select on tables to dashboard;
    reset role";

/// Everything in the catalog that is not ours: owners, rights, policies.
const THEIRS: &str = "
    with ours as (select oid from pg_roles where rolname ~ '^onrecord_(migrator|writer|reader)$')
    select format('%s %s: %s %s', relkind, oid::regclass, relowner::regrole, relacl) as fact
    from pg_class where relnamespace = 'public'::regnamespace and relowner not in (table ours)
    union all
    select format('function %s: %s %s', oid::regprocedure, proowner::regrole, proacl)
    from pg_proc where proowner not in (table ours)
    union all
    select format('type %s: %s %s', oid::regtype, typowner::regrole, typacl)
    from pg_type where typnamespace = 'public'::regnamespace and typowner not in (table ours)
    union all
    select format('policy %s on %s: %s', polname, polrelid::regclass, polroles) from pg_policy
    union all
    select format('publication %s: %s %s', pubname, pubowner::regrole, puballtables) from pg_publication
    union all
    select format('from now on %s: %s', defaclrole::regrole, defaclacl) from pg_default_acl where defaclrole not in (table ours)
    union all
    select format('schema %s: %s %s %s', nspname, nspowner::regrole, privilege_type, grantee)
    from pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
    where nspname !~ '^pg_(temp|toast)' and grantee not in (table ours)
    union all
    select format('database %s: %s %s %s', datname, datdba::regrole, privilege_type, grantee)
    from pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) where grantee not in (table ours)
    order by fact";

async fn theirs(admin: &Client) -> Vec<String> {
    admin.query(THEIRS, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn start() -> (OwnPostgres, Client) {
    let postgres = OwnPostgres::start().await;
    let admin = postgres.try_connect().await.unwrap();
    (postgres, admin)
}

/// Runs the file, which must refuse, and gives what it says. It has changed nothing.
async fn refusal(postgres: &OwnPostgres, admin: &Client, options: &[&str]) -> String {
    const ROLES: &str = "select count(*) from pg_roles where rolname like 'onrecord\\_%'";
    let before = theirs(admin).await;
    let done = run_file(postgres, options);
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(!done.status.success(), "{said}");
    assert_eq!(theirs(admin).await, before, "{said}");
    assert_eq!(count(admin, ROLES).await, 0, "{said}");
    said
}

#[tokio::test]
async fn a_database_with_company_is_refused_by_name_and_left_as_it_is() {
    let (postgres, admin) = start().await;
    admin.batch_execute(OTHERS).await.unwrap();
    let said = refusal(&postgres, &admin, &[]).await;
    let names =
        ["table public.predictions", "table public.salaries", "view public.prediction_totals"];
    let more = ["type public.mood", "role otherapp", "role dashboard", "-v company=1"];
    for name in names.into_iter().chain(more) {
        assert!(said.contains(name), "{name}: {said}");
    }
}

#[tokio::test]
async fn a_role_that_was_let_in_is_company() {
    let (postgres, admin) = start().await;
    admin.batch_execute("create role guest login").await.unwrap();
    let database = format!("grant connect on database {} to guest", database(&admin).await);
    for granted in [&database, "grant usage on schema public to guest"] {
        admin.batch_execute(granted).await.unwrap();
        let said = refusal(&postgres, &admin, &[]).await;
        assert!(said.contains("role guest"), "{granted}: {said}");
        let revoked = granted.replace("grant", "revoke").replace(" to ", " from ");
        admin.batch_execute(&revoked).await.unwrap();
    }
    admin.batch_execute("create schema theirs authorization guest").await.unwrap();
    let said = refusal(&postgres, &admin, &[]).await;
    assert!(said.contains("role guest"), "{said}");
    admin.batch_execute("drop schema theirs").await.unwrap();
    assert!(run_file(&postgres, &[]).status.success(), "nobody else is here any more");
}

async fn database(admin: &Client) -> String {
    admin.query_one("select quote_ident(current_database())", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn beside_others_nothing_of_theirs_is_touched() {
    let (postgres, admin) = start().await;
    admin.batch_execute(OTHERS).await.unwrap();
    let before = theirs(&admin).await;
    let beside = async || {
        let done = run_file(&postgres, &["-v", "company=1"]);
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{said}");
        assert!(said.contains("nothing was taken away from the others"), "{said}");
        assert!(said.contains("large objects"), "{said}");
        assert_eq!(theirs(&admin).await, before);
    };
    beside().await;
    beside().await;
    let mut migrate = Service::command();
    migrate.arg("migrate").env("DATABASE_URL", url(&postgres, MIGRATOR));
    let done = tokio::task::spawn_blocking(move || migrate.output().unwrap()).await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(theirs(&admin).await, before, "by the migrations");
    beside().await;

    let service = service(&postgres).await;
    let id = service.predict(&flower()).await["id"].as_str().unwrap().to_owned();
    service.get_json(&format!("/predictions/{id}")).await;
    beside().await;
    let reader = connect(&postgres, READER).await;
    assert_eq!(count(&reader, "select count(*) from prediction_log").await, 1);
    admin.batch_execute("set role otherapp; create table later (x int); reset role").await.unwrap();
    for name in ["predictions", "salaries", "later"] {
        check_refused(&reader, &format!("table {name}")).await;
    }
    let other = connect(&postgres, "otherapp").await;
    for allowed in [
        "insert into predictions values (1, 'us'); delete from predictions",
        "alter table salaries add column z int",
        "create temporary table t (x int)",
        "select lo_unlink(lo_create(0))",
    ] {
        other.batch_execute(allowed).await.expect(allowed);
    }
    for refused in ["table prediction", "drop table prediction", "table prediction_default"] {
        check_refused(&other, refused).await;
    }
    let dashboard = connect(&postgres, "dashboard").await;
    dashboard
        .batch_execute("table predictions; table prediction_totals; table later")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_table_of_others_that_is_called_like_ours_is_not_taken() {
    let (postgres, admin) = start().await;
    admin
        .batch_execute("create role otherapp login; grant create on schema public to otherapp")
        .await
        .unwrap();
    for theirs in ["prediction (x int)", "refinery_schema_history (version int, name text)"] {
        let create = format!("set role otherapp; create table {theirs}; reset role");
        admin.batch_execute(&create).await.unwrap();
        for options in [&[][..], &["-v", "company=1"]] {
            let said = refusal(&postgres, &admin, options).await;
            assert!(said.contains("is called as the record will be"), "{said}");
            assert!(said.contains("-v schema=NAME"), "{said}");
        }
        let name = theirs.split(' ').next().unwrap();
        admin.batch_execute(&format!("drop table {name}")).await.unwrap();
    }
}

#[tokio::test]
async fn an_extension_is_no_company() {
    let (postgres, admin) = start().await;
    const AVAILABLE: &str = "select count(*) from pg_available_extensions where name = 'pg_trgm'";
    if count(&admin, AVAILABLE).await == 1 {
        admin.batch_execute("create extension pg_trgm").await.unwrap();
    }
    super::make_roles(&postgres);
}

#[tokio::test]
async fn the_record_may_have_a_schema_of_its_own() {
    let (postgres, admin) = start().await;
    let in_its_own = async || {
        let done = run_file(&postgres, &["-v", "schema=Our record"]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    in_its_own().await;
    const MAY: &str = "
        select count(*) from (values ('onrecord_migrator', 'create'), ('onrecord_writer', 'usage'), ('onrecord_reader', 'usage'))
            as may (who, what)
        where has_schema_privilege(who, 'Our record', what)";
    assert_eq!(count(&admin, MAY).await, 3);
    in_its_own().await;
    // The record is begun there, and found by all three.
    let service = service(&postgres).await;
    service.predict(&flower()).await;
    assert_eq!(count(&admin, "select count(*) from \"Our record\".prediction").await, 1);
    let reader = connect(&postgres, READER).await;
    in_its_own().await;
    assert_eq!(count(&reader, "select count(*) from prediction_log").await, 1);
}
