//! A saboteur on the wire: it stands between a store and PostgreSQL and rewrites statements, so that a rule can be left out
//! without the product knowing how.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a rule left out does to a statement's text: nothing, or another text.
pub(crate) type Rewrite = fn(&str) -> Option<String>;

/// Rewrites statements on their way.
pub(crate) struct Wire {
    port: u16,
    hits: Arc<AtomicUsize>,
}

impl Wire {
    /// Listens, and leads to the server at `address`.
    pub(crate) async fn tap(address: String, rewrite: Rewrite) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let hits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&hits);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (address, counter) = (address.clone(), Arc::clone(&counter));
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(&address).await {
                        let _ = client.set_nodelay(true);
                        let _ = server.set_nodelay(true);
                        let (client_in, mut client_out) = client.into_split();
                        let (mut server_in, server_out) = server.into_split();
                        let back = tokio::spawn(async move {
                            let _ = tokio::io::copy(&mut server_in, &mut client_out).await;
                            let _ = client_out.shutdown().await;
                        });
                        let _ = forward(client_in, server_out, rewrite, &counter).await;
                        let _ = back.await;
                    }
                });
            }
        });
        Self { port, hits }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many statements were rewritten: none means that the control controls nothing.
    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::Relaxed)
    }
}

/// Host and port of an address.
pub(crate) fn server(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let server = rest.split('/').next().unwrap_or_default();
    let server = server.rsplit_once('@').map_or(server, |(_, server)| server);
    if server.contains(':') { server.to_owned() } else { format!("{server}:5432") }
}

/// Passes the client's messages on: `Parse` carries the text of a statement.
async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    rewrite: Rewrite,
    hits: &AtomicUsize,
) -> std::io::Result<()> {
    // The first message has no kind: its length, then the protocol's version and who comes.
    let length = from.read_u32().await?;
    let mut body = vec![0; usize::try_from(length).unwrap_or_default().saturating_sub(4)];
    from.read_exact(&mut body).await?;
    to.write_u32(length).await?;
    to.write_all(&body).await?;
    loop {
        let kind = from.read_u8().await?;
        let length = from.read_u32().await?;
        let mut body = vec![0; usize::try_from(length).unwrap_or_default().saturating_sub(4)];
        from.read_exact(&mut body).await?;
        if kind == b'P' {
            let mut parts = body.splitn(3, |byte| *byte == 0);
            let (name, text, rest) = (parts.next(), parts.next(), parts.next());
            if let (Some(name), Some(text), Some(rest)) = (name, text, rest)
                && let Some(other) = rewrite(&String::from_utf8_lossy(text))
            {
                hits.fetch_add(1, Ordering::Relaxed);
                body = [name, &[0], other.as_bytes(), &[0], rest].concat();
            }
        }
        let mut message = Vec::with_capacity(body.len() + 5);
        message.push(kind);
        message.extend(u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes());
        message.extend(body);
        to.write_all(&message).await?;
    }
}
