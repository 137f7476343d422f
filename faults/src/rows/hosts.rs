//! Row 51: the first of two hosts says nothing: at the start, and from one moment on.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::sleep;

use super::outage::CLIENTS;
use crate::finding::{Allowed, Finding};
use crate::proxy::Behaviour;
use crate::run::Run;
use crate::scene::{Scene, Setup};

pub(super) async fn silent_first(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut scene = Scene::set(&run, Setup { proxied: true, ..Setup::default() }).await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(100).await?;
    // It takes connections, and never looks at one.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let (proxied, direct) = (scene.proxy()?.port, scene.postgres.port);
    for first in [silent.local_addr()?.port(), proxied] {
        let address = scene.postgres.url(direct);
        let both = address.replace(
            &format!("127.0.0.1:{direct}"),
            &format!("127.0.0.1:{first},127.0.0.1:{direct}"),
        );
        let both = format!("{both}?target_session_attrs=read-write");
        scene.service.stop().await?;
        scene.service.launch = scene.service.launch.clone().set("DATABASE_URL", both);
        let took = scene.restart_service().await?;
        finding.note(format!("started in {:.1} s", took.as_secs_f64()));
        finding.recovered("with two hosts", scene.well(&work.load).await?);
    }
    for _ in 0..run.scaled(5, 1) {
        scene.proxy()?.behave(Behaviour { black_hole: true, ..Behaviour::default() });
        sleep(Duration::from_secs(run.scaled(10, 3))).await;
        finding.recovered("by the second host", scene.well(&work.load).await?);
        scene.proxy()?.behave(Behaviour::default());
        scene.proxy()?.cut();
        finding.recovered("with both again", scene.well(&work.load).await?);
    }
    scene.conclude(work, Allowed::Breaks, &mut finding).await?;
    Ok(finding)
}
