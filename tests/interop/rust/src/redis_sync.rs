//! redis-rs without a runtime.

use std::collections::BTreeSet;
use std::time::Instant;

use redis::{Client, Commands, Connection, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, RedisResult};

use crate::report::{self, Outcome, PATIENCE, Place, equal, holds, refused, tell};

pub fn run() {
    let place = Place::of_environment();
    report::version("redis");
    tell("connects", connects(&place));
    tell("introduces", introduces(&place));
    tell("password", password(&place));
    tell("counts", counts(&place));
    tell("decimals", decimals(&place));
    tell("keyspace", keyspace(&place));
    tell("bytes", bytes(&place));
    tell("errors", errors(&place));
    tell("pipeline", pipeline(&place));
    tell("transaction", transaction(&place));
    tell("watch", watch(&place));
    tell("subscribe", subscribe(&place));
    tell("psubscribe", psubscribe(&place));
    tell("parallel", parallel(&place));
    tell("reconnects", reconnects(&place));
}

/// What a URL says, in the protocol that is tried.
pub fn information(place: &Place, port: u16) -> RedisResult<ConnectionInfo> {
    format!("redis://{}:{port}/0?protocol=resp{}", place.host, place.protocol).into_connection_info()
}

/// The same with a user's name and a password.
pub fn with_password(place: &Place, user: Option<&str>, password: &str) -> RedisResult<Client> {
    let information = information(place, place.guarded_port)?;
    let mut settings = information.redis_settings().clone().set_password(password);
    if let Some(user) = user {
        settings = settings.set_username(user);
    }
    Client::open(information.set_redis_settings(settings))
}

pub fn client(place: &Place) -> RedisResult<Client> {
    Client::open(information(place, place.port)?)
}

fn connect(place: &Place) -> RedisResult<Connection> {
    client(place)?.get_connection()
}

fn connects(place: &Place) -> Outcome {
    let mut plain = Client::open((place.host.as_str(), place.port))?.get_connection()?;
    equal(plain.ping::<String>()?, "PONG")?;
    equal(connect(place)?.ping::<String>()?, "PONG")
}

fn introduces(place: &Place) -> Outcome {
    let mut connection = connect(place)?;
    connection.client_setname::<_, ()>("interop-rs")?;
    let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut connection)?;
    let line = list.lines().find(|line| line.contains(" name=interop-rs ")).unwrap_or_default();
    holds(line.contains(" lib-name=redis-rs lib-ver=1."), line)?;
    holds(line.contains(&format!(" resp={}", place.protocol)), line)
}

fn password(place: &Place) -> Outcome {
    let mut connection = with_password(place, None, &place.password)?.get_connection()?;
    equal(connection.get::<_, i64>("missing")?, 0)?;
    let mut connection = with_password(place, Some("default"), &place.password)?.get_connection()?;
    equal(connection.ping::<String>()?, "PONG")?;
    let wrong = refused(with_password(place, None, "wrong")?.get_connection().map(drop))?;
    is_of_wrong_password(place, &wrong)?;
    let without = || -> RedisResult<i64> {
        Client::open(information(place, place.guarded_port)?)?.get_connection()?.incr("rs", 1)
    };
    is_of_authentication(&refused(without())?)
}

/// Under RESP3 the library tells what the server said to HELLO, as it said it.
pub fn is_of_wrong_password(place: &Place, error: &RedisError) -> Outcome {
    if place.protocol == 3 {
        return equal(error.code(), Some("WRONGPASS"));
    }
    equal(error.kind(), ErrorKind::AuthenticationFailed)
}

pub fn is_of_authentication(error: &RedisError) -> Outcome {
    holds(error.to_string().to_lowercase().contains("auth"), &error.to_string())
}

fn counts(place: &Place) -> Outcome {
    let mut connection = connect(place)?;
    equal(connection.incr::<_, _, i64>("a", 1)?, 1)?;
    equal(connection.incr::<_, _, i64>("a", 5)?, 6)?;
    equal(connection.decr::<_, _, i64>("a", 8)?, -2)?;
    equal(connection.get::<_, i64>("a")?, -2)?;
    connection.set::<_, _, ()>("a", 41)?;
    equal(connection.mget::<_, Vec<i64>>(&["a", "missing"])?, vec![41, 0])
}

fn decimals(place: &Place) -> Outcome {
    let mut connection = connect(place)?;
    // A float is sent as INCRBYFLOAT.
    equal(connection.incr::<_, _, f64>("d", 0.1)?, 0.1)?;
    equal(connection.incr::<_, _, String>("d", 0.2)?, "0.3")?;
    equal(redis::cmd("INCRBY").arg("d").arg("0.05").query::<f64>(&mut connection)?, 0.35)?;
    // It is counted, and then not understood.
    equal(refused(connection.incr::<_, _, i64>("d", 1))?.kind(), ErrorKind::Parse)?;
    equal(connection.get::<_, String>("d")?, "1.35")?;
    connection.set::<_, _, ()>("big", i64::MAX)?;
    equal(connection.incr::<_, _, u64>("big", 1)?, 1 << 63)?;
    equal(connection.get::<_, String>("big")?, "9223372036854775808")
}

fn keyspace(place: &Place) -> Outcome {
    let mut connection = connect(place)?;
    let names: BTreeSet<String> = (0..30).map(|number| format!("page:{number}")).collect();
    for name in &names {
        connection.incr::<_, _, ()>(name, 1)?;
    }
    equal(connection.exists::<_, i64>(&["page:1", "page:2", "missing"])?, 2)?;
    equal(&connection.keys::<_, BTreeSet<String>>("page:*")?, &names)?;
    equal(connection.scan_match::<_, String>("page:*")?.collect::<RedisResult<BTreeSet<_>>>()?, names)?;
    equal(connection.key_type::<_, String>("page:1")?, "string")?;
    let before: i64 = redis::cmd("DBSIZE").query(&mut connection)?;
    equal(connection.del::<_, i64>(&["page:1", "missing"])?, 1)?;
    equal(redis::cmd("DBSIZE").query::<i64>(&mut connection)?, before - 1)
}

fn bytes(place: &Place) -> Outcome {
    let mut connection = connect(place)?;
    let name: Vec<u8> = (0..=255).collect();
    equal(connection.incr::<_, _, i64>(&name, 1)?, 1)?;
    holds(connection.keys::<_, Vec<Vec<u8>>>("*")?.contains(&name), "it is listed")?;
    equal(connection.del::<_, i64>(&name)?, 1)
}

fn errors(place: &Place) -> Outcome {
    let mut connection = connect(place)?;
    let amount = refused(redis::cmd("INCRBY").arg("e").arg("many").query::<i64>(&mut connection))?;
    equal(amount.code(), Some("ERR"))?;
    let unknown = refused(connection.lpush::<_, _, i64>("e", 1))?;
    holds(unknown.to_string().contains("unknown command"), &unknown.to_string())?;
    refused(redis::cmd("GET").query::<i64>(&mut connection))?;
    equal(connection.get::<_, i64>("e")?, 0)
}

fn pipeline(place: &Place) -> Outcome {
    let mut connection = connect(place)?;
    let mut pipe = redis::pipe();
    for _ in 0..1000 {
        pipe.incr("p", 1);
    }
    equal(pipe.query::<Vec<i64>>(&mut connection)?, (1..=1000).collect::<Vec<_>>())?;
    let mut pipe = redis::pipe();
    pipe.incr("p", 1).cmd("INCRBY").arg("p").arg("many").incr("p", 1);
    refused(pipe.query::<(i64, i64, i64)>(&mut connection))?;
    equal(connection.get::<_, i64>("p")?, 1002)
}

fn transaction(place: &Place) -> Outcome {
    let mut connection = connect(place)?;
    let mut pipe = redis::pipe();
    pipe.atomic().incr("t", 1).incr("t", 2).get("t");
    equal(pipe.query::<(i64, i64, i64)>(&mut connection)?, (1, 3, 3))?;
    let mut pipe = redis::pipe();
    pipe.atomic().incr("t", 1).lpush("t", 1);
    refused(pipe.query::<(i64, i64)>(&mut connection))?;
    equal(connection.get::<_, i64>("t")?, 3)?;
    // The library itself sends no DISCARD.
    redis::cmd("MULTI").exec(&mut connection)?;
    equal(redis::cmd("INCR").arg("t").query::<String>(&mut connection)?, "QUEUED")?;
    redis::cmd("DISCARD").exec(&mut connection)?;
    equal(connection.get::<_, i64>("t")?, 3)
}

fn watch(place: &Place) -> Outcome {
    let (mut connection, mut other) = (connect(place)?, connect(place)?);
    let mut attempts = 0;
    let (value,): (i64,) = redis::transaction(&mut connection, &["w"], |connection, pipe| {
        let old: i64 = connection.get("w")?;
        attempts += 1;
        if attempts == 1 {
            other.incr::<_, _, ()>("w", 10)?;
        }
        pipe.set("w", old + 1).ignore().get("w").query(connection)
    })?;
    equal((attempts, value), (2, 11))
}

fn subscribe(place: &Place) -> Outcome {
    let (mut connection, mut subscriber) = (connect(place)?, connect(place)?);
    connection.set::<_, _, ()>("s", 5)?;
    let mut pubsub = subscriber.as_pubsub();
    pubsub.set_read_timeout(Some(PATIENCE))?;
    pubsub.subscribe("s")?;
    let first = pubsub.get_message()?;
    equal((first.get_channel_name(), first.get_payload::<String>()?), ("s", "5".to_owned()))?;
    connection.incr::<_, _, ()>("s", 0.5)?;
    equal(pubsub.get_message()?.get_payload::<f64>()?, 5.5)?;
    pubsub.unsubscribe("s")?;
    drop(pubsub);
    // The connection is one for requests again.
    equal(subscriber.get::<_, f64>("s")?, 5.5)
}

fn psubscribe(place: &Place) -> Outcome {
    let (mut connection, mut subscriber) = (connect(place)?, connect(place)?);
    let mut pubsub = subscriber.as_pubsub();
    pubsub.set_read_timeout(Some(PATIENCE))?;
    pubsub.psubscribe("ps:*")?;
    connection.incr::<_, _, ()>("ps:1", 3)?;
    let message = pubsub.get_message()?;
    equal(message.get_pattern::<String>()?, "ps:*")?;
    equal((message.get_channel_name(), message.get_payload::<i64>()?), ("ps:1", 3))
}

fn parallel(place: &Place) -> Outcome {
    let client = client(place)?;
    std::thread::scope(|scope| {
        let count = || -> RedisResult<()> {
            let mut connection = client.get_connection()?;
            (0..50).try_for_each(|_| connection.incr("many", 1))
        };
        let threads: Vec<_> = (0..10).map(|_| scope.spawn(count)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a thread"))
    })?;
    equal(client.get_connection()?.get::<_, i64>("many")?, 500)
}

/// A connection of this library ends with the server; its client makes another.
fn reconnects(place: &Place) -> Outcome {
    let client = client(place)?;
    let mut connection = client.get_connection()?;
    connection.set::<_, _, ()>("r", 7)?;
    report::restart()?;
    let begin = Instant::now();
    let lost = refused(connection.incr::<_, _, i64>("r", 1))?;
    holds(lost.is_connection_dropped() || lost.is_io_error(), &lost.to_string())?;
    holds(begin.elapsed() < PATIENCE, "it noticed at once")?;
    equal(client.get_connection()?.incr::<_, _, i64>("r", 1)?, 8)
}
