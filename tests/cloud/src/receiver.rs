//! Receives, in a test, what reaches functions that are processes of their own: their program passes
//! on every event, and does as the test says.

use std::{
    env,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::FutureExt as _;
use jointlambda::{
    Cause, Fault, GivenUp,
    backend::{Delivery, Handler},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// The variable that says where the test listens.
const RECEIVER: &str = "RECEIVER";
/// The longest message, in bytes.
const LONGEST: u32 = 4 * 1024 * 1024;

pub mod workflow {
    //! What the functions are called. Their code never runs.

    macro_rules! received {
        ($provider:ident, $region:tt) => {
            use jointlambda::prelude::*;

            jointlambda::workflow! {
                const HOME: Cloud = Cloud::$provider($region);

                /// Calls both.
                #[workflow]
                pub async fn received(x: u64) -> u64 {
                    let x = echo(x).await;
                    fails(x).await
                }

                #[function(on = HOME)]
                async fn echo(x: u64) -> u64 { x }

                #[function(on = HOME, timeout = "7s")]
                async fn fails(x: u64) -> u64 { x }
            }
        };
    }

    pub mod aws {
        //! On AWS.

        received!(aws, "us-east-1");
    }

    pub mod aliyun {
        //! On Alibaba Cloud.

        received!(aliyun, "cn-hongkong");
    }
}

#[derive(Serialize, Deserialize)]
struct Told {
    function: String,
    envelope: String,
    attempt: u32,
    remaining_ms: u64,
    /// Why the platform gave up, if it did, and whose fault that was.
    given_up: Option<(Cause, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Said {
    Done,
    Failed,
    Poison(String),
    Panic,
}

/// In a function: passes on what reaches it.
pub struct Forward {
    to: String,
}

impl Forward {
    /// To the test that the environment names.
    ///
    /// # Panics
    /// When it names none.
    pub fn of_environment() -> Self {
        Forward { to: env::var(RECEIVER).expect("whoever deploys it sets RECEIVER") }
    }

    async fn tell(&self, told: Told) -> Result<(), Fault> {
        let exchange = async {
            let mut stream = TcpStream::connect(&self.to).await?;
            write(&mut stream, &told).await?;
            read(&mut stream).await
        };
        let said: std::io::Result<Said> = exchange.await;
        match said {
            Ok(Said::Done) => Ok(()),
            Ok(Said::Poison(why)) => Err(Fault::Poison(why)),
            Ok(Said::Panic) => panic!("it was told to"),
            Ok(Said::Failed) | Err(_) => Err(Fault::Crash),
        }
    }
}

#[async_trait]
impl Handler for Forward {
    async fn handle(&self, function: &str, envelope: Bytes, delivery: Delivery) -> Result<(), Fault> {
        self.tell(Told {
            function: function.to_owned(),
            envelope: STANDARD.encode(envelope),
            attempt: delivery.attempt,
            remaining_ms: delivery.remaining.as_millis() as u64,
            given_up: None,
        })
        .await
    }

    async fn abandon(&self, function: &str, envelope: Bytes, given_up: GivenUp) -> Result<(), Fault> {
        self.tell(Told {
            function: function.to_owned(),
            envelope: STANDARD.encode(envelope),
            attempt: given_up.attempts,
            remaining_ms: 0,
            given_up: Some((given_up.cause, given_up.why)),
        })
        .await
    }
}

/// In a test: has a handler receive what functions pass on.
pub struct Receiver {
    address: SocketAddr,
    handler: Arc<RwLock<Option<Arc<dyn Handler>>>>,
}

impl Receiver {
    /// Listens for as long as the test's threads run.
    pub async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let handler: Arc<RwLock<Option<Arc<dyn Handler>>>> = Arc::default();
        let shared = handler.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let handler = shared.read().unwrap_or_else(PoisonError::into_inner).clone();
                tokio::spawn(receive(stream, handler));
            }
        });
        Receiver { address, handler }
    }

    /// What a function has in its environment to find it.
    pub fn variable(&self) -> (String, String) {
        (RECEIVER.to_owned(), self.address.to_string())
    }

    /// Attaches handlers, each in place of the one before.
    pub fn attach(&self) -> impl Fn(Arc<dyn Handler>) + Send + Sync + 'static {
        let handler = self.handler.clone();
        move |next| *handler.write().unwrap_or_else(PoisonError::into_inner) = Some(next)
    }
}

async fn receive(mut stream: TcpStream, handler: Option<Arc<dyn Handler>>) -> std::io::Result<()> {
    let told: Told = read(&mut stream).await?;
    let envelope = Bytes::from(STANDARD.decode(&told.envelope).map_err(std::io::Error::other)?);
    let Some(handler) = handler else { return Ok(()) };
    let handled = async {
        match told.given_up {
            Some((cause, why)) => {
                let given_up = GivenUp { cause, why, attempts: told.attempt };
                handler.abandon(&told.function, envelope, given_up).await
            }
            None => {
                let remaining = Duration::from_millis(told.remaining_ms);
                let delivery = Delivery { attempt: told.attempt, remaining };
                handler.handle(&told.function, envelope, delivery).await
            }
        }
    };
    let said = match AssertUnwindSafe(handled).catch_unwind().await {
        Ok(Ok(())) => Said::Done,
        Ok(Err(Fault::Poison(why))) => Said::Poison(why),
        Ok(Err(_)) => Said::Failed,
        Err(_) => Said::Panic,
    };
    write(&mut stream, &said).await
}

async fn write(stream: &mut TcpStream, message: &impl Serialize) -> std::io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), &text[..]].concat()).await
}

async fn read<T: DeserializeOwned>(stream: &mut TcpStream) -> std::io::Result<T> {
    let length = stream.read_u32().await?;
    if length > LONGEST {
        return Err(std::io::Error::other("the message is too long"));
    }
    let mut text = vec![0; length as usize];
    stream.read_exact(&mut text).await?;
    Ok(serde_json::from_slice(&text)?)
}
