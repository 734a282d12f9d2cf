//! Wires between a process and a server, which can be cut: what is sent then goes nowhere, and nobody is told.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a wire lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// All.
    Whole,
    /// Nothing.
    BothWays,
    /// What the process says, but not what it is answered.
    Answers,
}

/// Towards the server, or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

impl Cut {
    fn lets(self, way: Way) -> bool {
        match self {
            Self::Whole => true,
            Self::BothWays => false,
            Self::Answers => way == Way::There,
        }
    }
}

/// How a wire is, and how often it forgot its connections.
#[derive(Debug, Clone, Copy)]
struct State {
    cut: Cut,
    forgotten: u64,
}

/// A wire. What was under way when it was cut arrives when it is whole again, as from a network that tries again.
pub struct Wire {
    at: SocketAddr,
    state: Arc<watch::Sender<State>>,
}

impl Wire {
    /// One whose near end is known before its far end.
    ///
    /// # Panics
    /// Where no port of this machine is free.
    pub async fn unconnected() -> (Self, TcpListener) {
        let near = TcpListener::bind("127.0.0.1:0").await.expect("a free port on this machine");
        let at = near.local_addr().expect("it listens");
        (Self { at, state: Arc::new(watch::Sender::new(State { cut: Cut::Whole, forgotten: 0 })) }, near)
    }

    /// One to a server.
    ///
    /// # Panics
    /// Where no port of this machine is free.
    pub async fn to(far: &str) -> Self {
        let (wire, near) = Self::unconnected().await;
        wire.connect(near, far);
        wire
    }

    /// Leads to a server from now on.
    #[expect(clippy::disallowed_methods, reason = "a test double keeps its own tasks")]
    pub fn connect(&self, near: TcpListener, far: &str) {
        let (far, state) = (far.to_owned(), Arc::clone(&self.state));
        tokio::spawn(async move {
            while let Ok((process, _)) = near.accept().await {
                let (far, mut gate) = (far.clone(), state.subscribe());
                tokio::spawn(async move {
                    // A connection that is made now is answered when the wire is whole.
                    if gate.wait_for(|state| state.cut == Cut::Whole).await.is_err() {
                        return;
                    }
                    let age = gate.borrow().forgotten;
                    let Ok(server) = TcpStream::connect(&far).await else { return };
                    let _ = (process.set_nodelay(true), server.set_nodelay(true));
                    let ((hears, says), (answered, asked)) = (process.into_split(), server.into_split());
                    tokio::spawn(carry(hears, asked, (gate.clone(), age, Way::There)));
                    carry(answered, says, (gate, age, Way::Back)).await;
                });
            }
        });
    }

    /// `host:port` of the near end.
    #[must_use]
    pub fn address(&self) -> String {
        self.at.to_string()
    }

    /// The port of the near end.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.at.port()
    }

    /// Lets that much through from now on.
    pub fn set(&self, cut: Cut) {
        self.state.send_modify(|state| state.cut = cut);
    }

    /// The connections that there are are silent for ever, as after a router that lost its tables; new ones are not.
    pub fn forget(&self) {
        self.state.send_modify(|state| state.forgotten += 1);
    }
}

/// Carries bytes one way until either end is gone.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    (mut gate, age, way): (watch::Receiver<State>, u64, Way),
) {
    let passes = |state: &State| state.cut.lets(way) && state.forgotten == age;
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if gate.wait_for(passes).await.is_err() || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    // The end of a connection goes nowhere either.
    let _ = gate.wait_for(passes).await;
}
