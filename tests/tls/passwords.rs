//! A password is shown to nobody who only says that he is the database.

use std::sync::{Arc, Mutex};

use storage::{Database, Store, Variables};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PASSWORD: &str = "tOpsEcrEt";

/// Says no to TLS, asks for the password in this way, and keeps what it is told.
async fn impostor(request: &'static [u8]) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&told);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, request, Arc::clone(&kept)));
        }
    });
    (port, told)
}

async fn answer(mut stream: TcpStream, request: &[u8], told: Arc<Mutex<Vec<u8>>>) {
    let mut bytes = [0; 4_096];
    while let Ok(length @ 1..) = stream.read(&mut bytes).await {
        let said = &bytes[..length];
        told.lock().unwrap().extend_from_slice(said);
        let asks_for_tls = said == [0, 0, 0, 8, 4, 210, 22, 47];
        let answer = if asks_for_tls { b"N" } else { request };
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_password_is_never_sent_in_clear_or_as_md5_without_tls() {
    for (request, way) in [
        (&b"R\0\0\0\x08\0\0\0\x03"[..], "in clear text"),
        (b"R\0\0\0\x0c\0\0\0\x05salt", "as an MD5 hash"),
    ] {
        for (mode, refused) in
            [("disable", way), ("prefer", way), ("", way), ("require", "does not support TLS")]
        {
            let (port, told) = impostor(request).await;
            let mode = if mode.is_empty() { String::new() } else { format!("?sslmode={mode}") };
            let url = format!("postgresql://ada:{PASSWORD}@127.0.0.1:{port}/flowers{mode}");
            let database = Database::from_url(&url, &Variables::default()).unwrap();
            let error = Store::new(database).unwrap().probe().unwrap().look().await.unwrap_err();
            let words = domain::Causes(&error).to_string();
            assert!(words.contains(refused) && !words.contains(PASSWORD), "{mode}: {words}");
            let told = String::from_utf8_lossy(&told.lock().unwrap()).into_owned();
            assert!(!told.contains(PASSWORD) && !told.contains("md5"), "{mode}: {told}");
            assert_eq!(told.contains("flowers"), refused == way, "{mode}: {told}");
        }
    }
}
