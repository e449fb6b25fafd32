//! redis-rs on tokio, with the connection that many tasks share and the manager that connects again.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncCommands, Client, PushInfo, PushKind, RedisResult};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::redis_sync::{client, information, is_of_authentication, is_of_wrong_password, with_password};
use crate::report::{self, Outcome, PATIENCE, Place, equal, holds, refused, tell, until};

pub async fn run() {
    let place = Place::of_environment();
    report::version("redis");
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
    if place.protocol == 3 {
        // Under RESP2 the library leaves this to its user.
        tell("resubscribes", resubscribes(&place).await);
    }
}

async fn connect(place: &Place) -> RedisResult<MultiplexedConnection> {
    client(place)?.get_multiplexed_async_connection().await
}

async fn connects(place: &Place) -> Outcome {
    let client = Client::open((place.host.as_str(), place.port))?;
    let mut plain = client.get_multiplexed_async_connection().await?;
    equal(plain.ping::<String>().await?, "PONG")?;
    equal(connect(place).await?.ping::<String>().await?, "PONG")
}

async fn introduces(place: &Place) -> Outcome {
    let mut connection = connect(place).await?;
    redis::cmd("CLIENT").arg("SETNAME").arg("interop-rs").exec_async(&mut connection).await?;
    let list: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut connection).await?;
    let line = list.lines().find(|line| line.contains(" name=interop-rs ")).unwrap_or_default();
    holds(line.contains(" lib-name=redis-rs") && line.contains(" lib-ver=1."), line)?;
    holds(line.contains(&format!(" resp={}", place.protocol)), line)
}

async fn password(place: &Place) -> Outcome {
    let client = with_password(place, Some("default"), &place.password)?;
    equal(client.get_multiplexed_async_connection().await?.get::<_, i64>("missing").await?, 0)?;
    let wrong = with_password(place, None, "wrong")?.get_multiplexed_async_connection().await;
    is_of_wrong_password(place, &refused(wrong.map(drop))?)?;
    let without = async || -> RedisResult<i64> {
        let client = Client::open(information(place, place.guarded_port)?)?;
        client.get_multiplexed_async_connection().await?.incr("rs", 1).await
    };
    is_of_authentication(&refused(without().await)?)
}

async fn counts(place: &Place) -> Outcome {
    let mut connection = connect(place).await?;
    equal(connection.incr::<_, _, i64>("a", 6).await?, 6)?;
    equal(connection.decr::<_, _, i64>("a", 8).await?, -2)?;
    equal(connection.get::<_, i64>("a").await?, -2)?;
    connection.set::<_, _, ()>("a", 41).await?;
    equal(connection.mget::<_, Vec<i64>>(&["a", "missing"]).await?, vec![41, 0])
}

async fn decimals(place: &Place) -> Outcome {
    let mut connection = connect(place).await?;
    equal(connection.incr::<_, _, f64>("d", 0.1).await?, 0.1)?;
    equal(connection.incr::<_, _, String>("d", 0.2).await?, "0.3")?;
    connection.set::<_, _, ()>("big", i64::MAX).await?;
    equal(connection.incr::<_, _, u64>("big", 1).await?, 1 << 63)?;
    equal(connection.get::<_, String>("big").await?, "9223372036854775808")
}

async fn keyspace(place: &Place) -> Outcome {
    let mut connection = connect(place).await?;
    let names: BTreeSet<String> = (0..30).map(|number| format!("page:{number}")).collect();
    for name in &names {
        connection.incr::<_, _, ()>(name, 1).await?;
    }
    equal(connection.exists::<_, i64>(&["page:1", "page:2", "missing"]).await?, 2)?;
    equal(&connection.keys::<_, BTreeSet<String>>("page:*").await?, &names)?;
    let mut seen = BTreeSet::new();
    let mut scan = connection.scan_match::<_, String>("page:*").await?;
    while let Some(name) = scan.next_item().await {
        seen.insert(name?);
    }
    drop(scan);
    equal(seen, names)?;
    equal(connection.del::<_, i64>(&["page:1", "missing"]).await?, 1)
}

async fn bytes(place: &Place) -> Outcome {
    let mut connection = connect(place).await?;
    let name: Vec<u8> = (0..=255).collect();
    equal(connection.incr::<_, _, i64>(&name, 1).await?, 1)?;
    holds(connection.keys::<_, Vec<Vec<u8>>>("*").await?.contains(&name), "it is listed")?;
    equal(connection.del::<_, i64>(&name).await?, 1)
}

async fn errors(place: &Place) -> Outcome {
    let mut connection = connect(place).await?;
    let amount = refused(redis::cmd("INCRBY").arg("e").arg("many").query_async::<i64>(&mut connection).await)?;
    equal(amount.code(), Some("ERR"))?;
    let unknown = refused(connection.lpush::<_, _, i64>("e", 1).await)?;
    holds(unknown.to_string().contains("unknown command"), &unknown.to_string())?;
    equal(connection.get::<_, i64>("e").await?, 0)
}

async fn pipeline(place: &Place) -> Outcome {
    let mut connection = connect(place).await?;
    let mut pipe = redis::pipe();
    for _ in 0..1000 {
        pipe.incr("p", 1);
    }
    equal(pipe.query_async::<Vec<i64>>(&mut connection).await?, (1..=1000).collect::<Vec<_>>())?;
    let mut pipe = redis::pipe();
    pipe.incr("p", 1).cmd("INCRBY").arg("p").arg("many").incr("p", 1);
    refused(pipe.query_async::<(i64, i64, i64)>(&mut connection).await)?;
    equal(connection.get::<_, i64>("p").await?, 1002)
}

async fn transaction(place: &Place) -> Outcome {
    let mut connection = connect(place).await?;
    let mut pipe = redis::pipe();
    pipe.atomic().incr("t", 1).incr("t", 2).get("t");
    equal(pipe.query_async::<(i64, i64, i64)>(&mut connection).await?, (1, 3, 3))?;
    let mut pipe = redis::pipe();
    pipe.atomic().incr("t", 1).lpush("t", 1);
    refused(pipe.query_async::<(i64, i64)>(&mut connection).await)?;
    equal(connection.get::<_, i64>("t").await?, 3)
}

async fn watch(place: &Place) -> Outcome {
    let (mut connection, mut other) = (connect(place).await?, connect(place).await?);
    for expected in [Some((10,)), None] {
        redis::cmd("WATCH").arg("w").exec_async(&mut connection).await?;
        if expected.is_none() {
            other.incr::<_, _, ()>("w", 1).await?;
        }
        let mut pipe = redis::pipe();
        pipe.atomic().set("w", 10).ignore().get("w");
        equal(pipe.query_async::<Option<(i64,)>>(&mut connection).await?, expected)?;
    }
    equal(connection.get::<_, i64>("w").await?, 11)
}

async fn subscribe(place: &Place) -> Outcome {
    let mut connection = connect(place).await?;
    connection.set::<_, _, ()>("s", 5).await?;
    if place.protocol == 3 {
        let (mut manager, mut pushes) = managed(place).await?;
        manager.subscribe("s").await?;
        pushed(&mut pushes, PushKind::Message, &["s", "5"]).await?;
        connection.incr::<_, _, ()>("s", 0.5).await?;
        pushed(&mut pushes, PushKind::Message, &["s", "5.5"]).await?;
        // The same connection counts.
        equal(manager.incr::<_, _, f64>("s", 1).await?, 6.5)?;
        return Ok(manager.unsubscribe("s").await?);
    }
    let mut pubsub = client(place)?.get_async_pubsub().await?;
    pubsub.subscribe("s").await?;
    let mut messages = pubsub.on_message();
    for value in ["5", "5.5"] {
        let message = tokio::time::timeout(PATIENCE, messages.next()).await?.ok_or("no message")?;
        equal((message.get_channel_name(), message.get_payload::<String>()?), ("s", value.to_owned()))?;
        connection.incr::<_, _, ()>("s", 0.5).await?;
    }
    drop(messages);
    Ok(pubsub.unsubscribe("s").await?)
}

async fn psubscribe(place: &Place) -> Outcome {
    let mut connection = connect(place).await?;
    if place.protocol == 3 {
        let (mut manager, mut pushes) = managed(place).await?;
        manager.psubscribe("ps:*").await?;
        connection.incr::<_, _, ()>("ps:1", 3).await?;
        return pushed(&mut pushes, PushKind::PMessage, &["ps:*", "ps:1", "3"]).await;
    }
    let mut pubsub = client(place)?.get_async_pubsub().await?;
    pubsub.psubscribe("ps:*").await?;
    connection.incr::<_, _, ()>("ps:1", 3).await?;
    let mut messages = pubsub.on_message();
    let message = tokio::time::timeout(PATIENCE, messages.next()).await?.ok_or("no message")?;
    equal((message.get_channel_name(), message.get_payload::<i64>()?), ("ps:1", 3))
}

async fn parallel(place: &Place) -> Outcome {
    let connection = connect(place).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let mut connection = connection.clone();
        tasks.spawn(async move { connection.incr::<_, _, i64>("many", 1).await });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    equal(connection.clone().get::<_, i64>("many").await?, 500)
}

async fn reconnects(place: &Place) -> Outcome {
    let mut manager = client(place)?.get_connection_manager().await?;
    manager.set::<_, _, ()>("r", 7).await?;
    report::restart()?;
    // The manager connects again when a request finds that it must.
    until(|| {
        let mut manager = manager.clone();
        async move { manager.get::<_, i64>("r").await }
    })
    .await?;
    equal(manager.incr::<_, _, i64>("r", 1).await?, 8)
}

async fn resubscribes(place: &Place) -> Outcome {
    let (mut manager, mut pushes) = managed(place).await?;
    manager.subscribe("rs").await?;
    report::restart()?;
    until(|| {
        let mut manager = manager.clone();
        async move { manager.ping::<String>().await }
    })
    .await?;
    manager.incr::<_, _, ()>("rs", 1).await?;
    pushed(&mut pushes, PushKind::Message, &["rs", "1"]).await
}

/// A manager that subscribes again, and what the server pushes to it.
async fn managed(place: &Place) -> RedisResult<(ConnectionManager, UnboundedReceiver<PushInfo>)> {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let config = ConnectionManagerConfig::new()
        .set_push_sender(sender)
        .set_automatic_resubscription()
        .set_max_delay(Duration::from_millis(100));
    Ok((client(place)?.get_connection_manager_with_config(config).await?, receiver))
}

/// Waits for this push, and passes others over.
async fn pushed(pushes: &mut UnboundedReceiver<PushInfo>, kind: PushKind, words: &[&str]) -> Outcome {
    loop {
        let push = tokio::time::timeout(PATIENCE, pushes.recv()).await?.ok_or("no push")?;
        if push.kind == kind {
            let told: Vec<String> = push.data.into_iter().map(redis::from_redis_value).collect::<Result<_, _>>()?;
            if told == words {
                return Ok(());
            }
        }
    }
}
