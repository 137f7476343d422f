//! What those can take who are not let in: no room of those who are.

use bytes::Bytes;
use h2::SendStream;
use h2::client::ResponseFuture;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Keyed;
use crate::support::{Service, turn};

/// How many bodies of refused requests are waited for at once.
const TURNED_AWAY: usize = 1_024;

/// How many requests without a key there are on how many connections, none of them sent to its end.
const CONNECTIONS: usize = 20;
const REQUESTS: usize = 60;

type Begun = (ResponseFuture, SendStream<Bytes>);

async fn begin(service: &Service) -> Vec<Begun> {
    let stream = TcpStream::connect(service.socket()).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut begun = Vec::new();
    for _ in 0..REQUESTS {
        client = client.ready().await.unwrap();
        let request = hyper::Request::post("http://x/predict").header("content-length", "10");
        begun.push(client.send_request(request.body(()).unwrap(), false).unwrap());
    }
    begun
}

#[tokio::test]
async fn bodies_that_do_not_come_are_waited_for_to_a_bound_and_hold_up_nobody() {
    let _turn = turn().await;
    let mut keyed = Keyed::start().await;
    let secret = keyed.key(&["--scope", "predict"]).await;
    let mut begun = Vec::new();
    for _ in 0..CONNECTIONS {
        begun.extend(begin(&keyed.service).await);
    }
    let mut answered = 0;
    for (answer, _body) in &mut begun {
        // Well before the patience with a body ends.
        if let Ok(answer) = timeout(std::time::Duration::from_millis(5), answer).await {
            assert_eq!(answer.unwrap().status(), 401);
            answered += 1;
        }
    }
    assert_eq!(answered, CONNECTIONS * REQUESTS - TURNED_AWAY);
    assert_eq!(keyed.answer(keyed.predict(&secret)).await.status, 200);
}
