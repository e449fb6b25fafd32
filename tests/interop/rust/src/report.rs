//! How a program tells the runner what it has tried, and where it finds its node.

use std::error::Error;
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long is waited for what must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a check comes to; the error is told.
pub type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Where the node is, and how to speak with it.
pub struct Place {
    pub host: String,
    pub port: u16,
    pub protocol: u8,
    pub guarded_port: u16,
    pub password: String,
}

impl Place {
    pub fn of_environment() -> Self {
        let text = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        Self {
            host: text("INTEROP_HOST"),
            port: text("INTEROP_PORT").parse().expect("a port"),
            protocol: text("INTEROP_PROTOCOL").parse().expect("2 or 3"),
            guarded_port: text("INTEROP_GUARDED_PORT").parse().expect("a port"),
            password: text("INTEROP_PASSWORD"),
        }
    }
}

/// Tells the version of a package that this program was built with.
pub fn version(package: &str) {
    let lock = include_str!("../Cargo.lock");
    let entry = lock.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{package}\"\n")));
    let version = entry.and_then(|entry| entry.split("version = \"").nth(1)?.split('"').next());
    println!("version {}", version.unwrap_or("unknown"));
}

/// Tells how a check ended.
pub fn tell(name: &str, outcome: Outcome) {
    match outcome {
        Ok(()) => println!("ok {name}"),
        Err(error) => println!("not ok {name}: {}", error.to_string().replace('\n', " ")),
    }
}

/// Has the runner start the server again, and waits until it serves.
pub fn restart() -> Outcome {
    println!("restart");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    equal(line.trim(), "restarted")
}

#[track_caller]
pub fn equal<A: PartialEq<B> + Debug, B: Debug>(found: A, expected: B) -> Outcome {
    holds(found == expected, &format!("{found:?} instead of {expected:?}"))
}

#[track_caller]
pub fn holds(condition: bool, what: &str) -> Outcome {
    let line = std::panic::Location::caller();
    if condition { Ok(()) } else { Err(format!("{}:{}: {what}", line.file(), line.line()).into()) }
}

/// The error that a call has to give.
#[track_caller]
pub fn refused<T: Debug, E>(answer: Result<T, E>) -> Outcome<E> {
    let line = std::panic::Location::caller();
    answer.err().ok_or_else(|| format!("{}:{}: no error", line.file(), line.line()).into())
}

/// Asks again until there is an answer, or a second that is not an error; the last error is told when there is none.
pub async fn until<T, E, F>(mut attempt: impl FnMut() -> F) -> Outcome<T>
where
    F: Future<Output = Result<T, E>>,
    E: Error + Send + Sync + 'static,
{
    let begin = Instant::now();
    loop {
        match attempt().await {
            Ok(found) => return Ok(found),
            Err(error) if begin.elapsed() > PATIENCE => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
