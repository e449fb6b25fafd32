//! fred on tokio.

use std::collections::BTreeSet;
use std::time::Duration;

use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand, Key, RespVersion};
use futures_util::TryStreamExt;

use crate::report::{self, Outcome, PATIENCE, Place, equal, holds, refused, tell};

pub async fn run() {
    let place = Place::of_environment();
    report::version("fred");
    tell("connects", connects(&place).await);
    tell("introduces", introduces(&place).await);
    tell("password", password(&place).await);
    tell("counts", counts(&place).await);
    tell("decimals", decimals(&place).await);
    tell("keyspace", keyspace(&place).await);
    tell("bytes", bytes(&place).await);
    tell("errors", errors(&place).await);
    tell("pipeline", pipeline(&place).await);
    tell("transaction", transaction(&place).await);
    tell("watch", watch(&place).await);
    tell("subscribe", subscribe(&place).await);
    tell("psubscribe", psubscribe(&place).await);
    tell("parallel", parallel(&place).await);
    tell("reconnects", reconnects(&place).await);
    tell("resubscribes", resubscribes(&place).await);
}

fn builder(place: &Place, port: u16) -> Builder {
    let mut config = Config { server: ServerConfig::new_centralized(&*place.host, port), ..Config::default() };
    config.version = if place.protocol == 3 { RespVersion::RESP3 } else { RespVersion::RESP2 };
    let mut builder = Builder::from_config(config);
    builder.set_policy(ReconnectPolicy::new_constant(0, 50));
    builder
}

async fn connect(place: &Place) -> Result<Client, Error> {
    let client = builder(place, place.port).build()?;
    client.init().await?;
    Ok(client)
}

async fn custom<R: FromValue>(client: &Client, name: &'static str, words: &[&str]) -> Result<R, Error> {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    client.custom(CustomCommand::new_static(name, ClusterHash::FirstKey, false), words).await
}

async fn connects(place: &Place) -> Outcome {
    let config = Config::from_url(&format!("redis://{}:{}", place.host, place.port))?;
    let plain = Builder::from_config(config).build()?;
    plain.init().await?;
    equal(plain.ping::<String>(None).await?, "PONG")?;
    plain.quit().await?;
    equal(connect(place).await?.ping::<String>(None).await?, "PONG")
}

async fn introduces(place: &Place) -> Outcome {
    let mut builder = builder(place, place.port);
    builder.with_connection_config(|config| config.auto_client_setname = true);
    let client = builder.build()?;
    client.init().await?;
    // The name is one that the library draws; of itself it says nothing.
    let list: String = custom(&client, "CLIENT", &["LIST"]).await?;
    let line = list.lines().find(|line| line.contains(&format!(" name={} ", client.id()))).unwrap_or_default();
    holds(line.contains(&format!(" resp={}", place.protocol)), &list)
}

async fn password(place: &Place) -> Outcome {
    let guarded = async |password: Option<&str>| -> Result<i64, Error> {
        let mut builder = builder(place, place.guarded_port);
        builder.with_config(|config| {
            config.password = password.map(str::to_owned);
            config.fail_fast = true;
        });
        let client = builder.build()?;
        let connection = client.init().await?;
        let answer = client.get("missing").await;
        connection.abort();
        answer
    };
    equal(guarded(Some(&place.password)).await?, 0)?;
    equal(refused(guarded(Some("wrong")).await)?.kind(), &ErrorKind::Auth)?;
    equal(refused(guarded(None).await)?.kind(), &ErrorKind::Auth)
}

async fn counts(place: &Place) -> Outcome {
    let client = connect(place).await?;
    equal(client.incr::<i64, _>("a").await?, 1)?;
    equal(client.incr_by::<i64, _>("a", 5).await?, 6)?;
    equal(client.decr::<i64, _>("a").await?, 5)?;
    equal(client.decr_by::<i64, _>("a", 7).await?, -2)?;
    equal(client.get::<i64, _>("a").await?, -2)?;
    client.set::<(), _, _>("a", 41, None, None, false).await?;
    equal(client.mget::<Vec<i64>, _>(vec!["a", "missing"]).await?, vec![41, 0])
}

async fn decimals(place: &Place) -> Outcome {
    let client = connect(place).await?;
    equal(client.incr_by_float::<f64, _>("d", 0.1).await?, 0.1)?;
    equal(client.incr_by_float::<String, _>("d", 0.2).await?, "0.3")?;
    equal(custom::<String>(&client, "INCRBY", &["d", "0.05"]).await?, "0.35")?;
    client.set::<(), _, _>("big", i64::MAX, None, None, false).await?;
    equal(client.incr::<String, _>("big").await?, "9223372036854775808")?;
    equal(client.get::<String, _>("big").await?, "9223372036854775808")
}

async fn keyspace(place: &Place) -> Outcome {
    let client = connect(place).await?;
    let names: BTreeSet<String> = (0..30).map(|number| format!("page:{number}")).collect();
    for name in &names {
        client.incr::<(), _>(name).await?;
    }
    equal(client.exists::<i64, _>(vec!["page:1", "page:2", "missing"]).await?, 2)?;
    let found: Vec<Key> = client.scan_buffered("page:*", Some(7), None).try_collect().await?;
    equal(&found.iter().map(|key| key.as_str_lossy().into_owned()).collect::<BTreeSet<_>>(), &names)?;
    let listed: Vec<String> = custom(&client, "KEYS", &["page:*"]).await?;
    equal(listed.into_iter().collect::<BTreeSet<_>>(), names)?;
    equal(client.r#type::<String, _>("page:1").await?, "string")?;
    let before: i64 = client.dbsize().await?;
    equal(client.del::<i64, _>(vec!["page:1", "missing"]).await?, 1)?;
    equal(client.dbsize::<i64>().await?, before - 1)
}

async fn bytes(place: &Place) -> Outcome {
    let client = connect(place).await?;
    let name: Vec<u8> = (0..=255).collect();
    equal(client.incr::<i64, _>(name.as_slice()).await?, 1)?;
    let found: Vec<Key> = client.scan_buffered("*", None, None).try_collect().await?;
    holds(found.iter().any(|key| key.as_bytes() == name), "it is listed")?;
    equal(client.del::<i64, _>(name.as_slice()).await?, 1)
}

async fn errors(place: &Place) -> Outcome {
    let client = connect(place).await?;
    let amount = refused(custom::<i64>(&client, "INCRBY", &["e", "many"]).await)?;
    holds(amount.details().contains("not a"), amount.details())?;
    let unknown = refused(custom::<i64>(&client, "LPUSH", &["e", "1"]).await)?;
    holds(unknown.details().contains("unknown command"), unknown.details())?;
    equal(client.get::<i64, _>("e").await?, 0)
}

async fn pipeline(place: &Place) -> Outcome {
    let client = connect(place).await?;
    let pipeline = client.pipeline();
    for _ in 0..1000 {
        pipeline.incr::<(), _>("p").await?;
    }
    equal(pipeline.all::<Vec<i64>>().await?, (1..=1000).collect::<Vec<_>>())?;
    let pipeline = client.pipeline();
    pipeline.incr::<(), _>("p").await?;
    let words = vec!["p", "many"];
    pipeline.custom::<(), _>(CustomCommand::new_static("INCRBY", ClusterHash::FirstKey, false), words).await?;
    pipeline.incr::<(), _>("p").await?;
    let answers = pipeline.try_all::<i64>().await;
    equal((answers[0].clone()?, answers[2].clone()?), (1001, 1002))?;
    refused(answers[1].clone())?;
    Ok(())
}

async fn transaction(place: &Place) -> Outcome {
    let client = connect(place).await?;
    let transaction = client.multi();
    transaction.incr::<(), _>("t").await?;
    transaction.incr_by::<(), _>("t", 2).await?;
    transaction.get::<(), _>("t").await?;
    equal(transaction.exec::<(i64, i64, i64)>(true).await?, (1, 3, 3))?;
    let transaction = client.multi();
    transaction.incr::<(), _>("t").await?;
    let unknown = CustomCommand::new_static("LPUSH", ClusterHash::FirstKey, false);
    transaction.custom::<(), _>(unknown, vec!["t", "1"]).await?;
    // It discards what it queued.
    refused(transaction.exec::<Vec<i64>>(true).await)?;
    equal(client.get::<i64, _>("t").await?, 3)
}

async fn watch(place: &Place) -> Outcome {
    let (client, other) = (connect(place).await?, connect(place).await?);
    for conflict in [false, true] {
        client.watch("w").await?;
        if conflict {
            other.incr::<(), _>("w").await?;
        }
        let transaction = client.multi();
        transaction.set::<(), _, _>("w", 10, None, None, false).await?;
        transaction.get::<(), _>("w").await?;
        let answers: Value = transaction.exec(true).await?;
        equal(answers.is_null(), conflict)?;
    }
    equal(client.get::<i64, _>("w").await?, 11)
}

/// Waits for this message, and passes others over.
async fn told(
    messages: &mut tokio::sync::broadcast::Receiver<fred::types::Message>,
    name: &str,
    value: &str,
) -> Outcome {
    loop {
        let message = tokio::time::timeout(PATIENCE, messages.recv()).await??;
        if message.channel == name && message.value.convert::<String>()? == value {
            return Ok(());
        }
    }
}

async fn subscribe(place: &Place) -> Outcome {
    let (client, subscriber) = (connect(place).await?, builder(place, place.port).build_subscriber_client()?);
    subscriber.init().await?;
    let mut messages = subscriber.message_rx();
    client.set::<(), _, _>("s", 5, None, None, false).await?;
    subscriber.subscribe("s").await?;
    told(&mut messages, "s", "5").await?;
    client.incr_by_float::<(), _>("s", 0.5).await?;
    told(&mut messages, "s", "5.5").await?;
    subscriber.unsubscribe("s").await?;
    subscriber.quit().await?;
    Ok(())
}

async fn psubscribe(place: &Place) -> Outcome {
    let (client, subscriber) = (connect(place).await?, builder(place, place.port).build_subscriber_client()?);
    subscriber.init().await?;
    let mut messages = subscriber.message_rx();
    subscriber.psubscribe("ps:*").await?;
    // The library goes on before the server has answered: only what is counted after that is told.
    while client.pubsub_numpat::<i64>().await? == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    client.incr_by::<(), _>("ps:1", 3).await?;
    told(&mut messages, "ps:1", "3").await?;
    subscriber.punsubscribe("ps:*").await?;
    Ok(())
}

async fn parallel(place: &Place) -> Outcome {
    let pool = builder(place, place.port).build_pool(5)?;
    pool.init().await?;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let pool = pool.clone();
        tasks.spawn(async move { pool.incr::<i64, _>("many").await });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    equal(pool.get::<i64, _>("many").await?, 500)
}

async fn reconnects(place: &Place) -> Outcome {
    let client = connect(place).await?;
    client.set::<(), _, _>("r", 7, None, None, false).await?;
    report::restart()?;
    equal(client.incr::<i64, _>("r").await?, 8)
}

async fn resubscribes(place: &Place) -> Outcome {
    let (client, subscriber) = (connect(place).await?, builder(place, place.port).build_subscriber_client()?);
    subscriber.init().await?;
    let _task = subscriber.manage_subscriptions();
    let mut messages = subscriber.message_rx();
    subscriber.subscribe("rs").await?;
    report::restart()?;
    client.incr::<(), _>("rs").await?;
    told(&mut messages, "rs", "1").await
}
