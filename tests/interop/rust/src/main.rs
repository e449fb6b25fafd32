//! Drives a running node with a client library of Rust: the argument says which. See ../README.md.

mod fred_tokio;
mod redis_sync;
mod redis_tokio;
mod report;

fn main() {
    let library = std::env::args().nth(1).unwrap_or_default();
    match library.as_str() {
        "redis-sync" => redis_sync::run(),
        "redis-tokio" => on_tokio(redis_tokio::run()),
        "fred" => on_tokio(fred_tokio::run()),
        other => panic!("no library is called {other:?}"),
    }
    println!("end");
}

fn on_tokio(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime").block_on(work);
}
