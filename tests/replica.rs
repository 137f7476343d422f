//! With a replica the record is read there, and where the replica cannot help, on the primary.

use tokio_postgres::Client;

use crate::support::{OwnPostgres, Service, count, eventually, flower};

async fn service(primary: &OwnPostgres, replica: &OwnPostgres) -> Service {
    let mut command = Service::command();
    command.env("DATABASE_URL", primary.url()).env("READ_DATABASE_URL", replica.url());
    Service::spawn(command, false).await
}

/// How many statements the service's sessions there have asked of the view or of partitions.
async fn readers(sql: &Client) -> i64 {
    let readers = "select count(*) from pg_stat_activity
                   where application_name = 'onrecord' and query like 'select id, \"timestamp\"%'";
    count(sql, readers).await
}

#[tokio::test]
async fn the_record_is_read_from_the_replica() {
    let mut primary = OwnPostgres::start().await;
    Service::start_at(primary.url()).await.stop().await;
    let replica = primary.standby().await;
    let service = service(&primary, &replica).await;
    let id = service.predict(&flower()).await["id"].as_str().unwrap().to_owned();
    let (on_primary, on_replica) =
        (primary.try_connect().await.unwrap(), replica.try_connect().await.unwrap());
    eventually("the replica has it", async || {
        count(&on_replica, "select count(*) from prediction_log").await == 1
    })
    .await;
    let page = service.get_json("/predictions").await;
    assert_eq!(page["predictions"][0]["id"], id.as_str());
    service.get_json(&format!("/predictions/{id}")).await;
    assert_eq!((readers(&on_primary).await, readers(&on_replica).await > 0), (0, true));
}

#[tokio::test]
async fn what_the_replica_does_not_have_yet_is_read_from_the_primary() {
    let mut primary = OwnPostgres::start().await;
    Service::start_at(primary.url()).await.stop().await;
    let replica = primary.standby().await;
    let on_replica = replica.try_connect().await.unwrap();
    on_replica.batch_execute("select pg_wal_replay_pause()").await.unwrap();
    let service = service(&primary, &replica).await;
    for _ in 0..20 {
        let id = service.predict(&flower()).await["id"].as_str().unwrap().to_owned();
        service.get_json(&format!("/predictions/{id}")).await;
    }
    assert_eq!(count(&on_replica, "select count(*) from prediction_log").await, 0);
    let nobodys = "/predictions/0193593e-8c00-7000-8000-000000000000";
    assert_eq!(service.get(nobodys).await.status(), 404);
}

#[tokio::test]
async fn a_replica_that_is_away_or_frozen_costs_nothing_but_time() {
    let mut primary = OwnPostgres::start().await;
    Service::start_at(primary.url()).await.stop().await;
    let mut replica = primary.standby().await;
    let service = service(&primary, &replica).await;
    let id = service.predict(&flower()).await["id"].as_str().unwrap().to_owned();
    let path = format!("/predictions/{id}");
    service.get_json(&path).await;
    replica.freeze();
    for _ in 0..10 {
        service.get_json(&path).await;
        service.get_json("/predictions").await;
        assert_eq!(service.get("/health/ready").await.status(), 200);
    }
    replica.thaw();
    replica.crash().await;
    for _ in 0..10 {
        service.get_json(&path).await;
        service.get_json("/predictions").await;
    }
    replica.start_again().await;
    let on_replica = replica.try_connect().await.unwrap();
    eventually("the replica is read again", async || {
        service.get_json(&path).await;
        readers(&on_replica).await > 0
    })
    .await;
}
