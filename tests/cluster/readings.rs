//! Readings that say how good they are.

use std::time::{Duration, Instant};

use crate::server_support::{Ground, Server, eventually, eventually_answers};

/// Value, bound, age in milliseconds, and the ids outside their lease.
fn bounded(server: &Server, name: &str) -> Result<(f64, f64, u64, Vec<String>), String> {
    let reply = server.ask(&format!("GET {name} BOUND"));
    let words: Vec<String> = reply.replace(['[', ']'], " ").split_whitespace().map(str::to_owned).collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<f64>().ok()).ok_or(reply.clone());
    Ok((number(0)?, number(1)?, number(2)? as u64, words[3..].to_vec()))
}

#[test]
fn a_bounded_reading_is_young_while_all_are_there_and_names_who_is_not() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    assert_eq!(second.ask("INCRBY a 5"), "5");
    for node in [&first, &second, &third] {
        eventually_answers(node, "GET a STATE", "[5 CONSISTENT]");
        eventually("a young reading", || match bounded(node, "a")? {
            (5.0, bound, age_ms, outside) if bound <= 1.0 && age_ms < 1_000 && outside.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }
    let id = third.id();
    let killed = Instant::now();
    let _gone = third.kill();
    eventually("the killed node outside its lease", || match bounded(&first, "a")? {
        (5.0, _, age_ms, outside) if outside == [id.clone()] && age_ms < 1_000 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert!(killed.elapsed() < Duration::from_secs(8), "{:?}", killed.elapsed());
    eventually_answers(&first, "GET a STATE", "[5 INCONSISTENT]");
    eventually_answers(&second, "GET a STATE", "[5 INCONSISTENT]");
}

#[test]
fn a_dead_nodes_prediction_is_held_still_and_falls_back_to_what_it_told_when_it_returns() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    assert_eq!(first.ask("PRECISION a 60"), "60");
    let mut writer = third.client();
    let mut count = 0_u64;
    let mut pace = Instant::now();
    eventually("a prediction", || {
        for _ in 0..100 {
            count += 1;
            writer.ask("INCR a");
            pace += Duration::from_millis(2);
            std::thread::sleep(pace.saturating_duration_since(Instant::now()));
        }
        // It grows between two readings with nothing received: it is extrapolated.
        let moved = second.ask("GET a") != second.ask("GET a");
        let records = |server: &Server| server.ask("INFO mesh");
        if moved || (count > 3_000 && !records(&second).is_empty()) { Ok(()) } else { Err(format!("after {count}")) }
    });
    let killed = third.kill();
    let value = |server: &Server| server.ask("GET a").parse::<f64>().unwrap_or(f64::NAN);
    std::thread::sleep(Duration::from_millis(3_500));
    let held = (value(&first), value(&second));
    std::thread::sleep(Duration::from_millis(1_000));
    assert_eq!((value(&first), value(&second)), held, "held still after the lease");
    // What it had counted since it last spoke is gone with its memory: all fall back to what it had told.
    let third = killed.run();
    eventually("the same everywhere", || {
        let read = (value(&first), value(&second), value(&third));
        if read.0 == read.1 && read.1 == read.2 && read.0 > 0.0 && read.0 <= count as f64 {
            Ok(())
        } else {
            Err(format!("{read:?} of {count}"))
        }
    });
    eventually_answers(&third, "EXISTS a", "1");
}

#[test]
fn the_effective_precision_is_what_the_flush_interval_leaves() {
    let ground = Ground::new();
    let [first, second, _third] = ground.three_with(&["counters.flush_interval_ms=200"]);
    assert_eq!(first.ask("PRECISION a 0"), "0");
    eventually_answers(&second, "PRECISION a", "0");
    let mut writer = first.client();
    eventually("corrections", || {
        for _ in 0..200 {
            writer.ask("INCR a");
        }
        match second.ask("PRECISION a EFFECTIVE").parse::<f64>() {
            Ok(effective) if effective > 1.0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert_eq!(second.ask("PRECISION a"), "0");
    assert!(second.ask("INFO counters").contains("counters_beyond_precision:1"), "{}", second.ask("INFO counters"));
}

#[test]
fn the_bound_of_a_predicted_counter_is_within_its_precision() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    assert_eq!(first.ask("PRECISION a 30"), "30");
    for node in [&first, &second, &third] {
        eventually_answers(node, "PRECISION a", "30");
    }
    let (mut one, mut other) = (second.client(), third.client());
    let mut in_a_row = 0;
    let mut pace = Instant::now();
    eventually("bounds within the precision, for three seconds", || {
        for _ in 0..50 {
            one.ask("INCR a");
            other.ask("INCR a");
            pace += Duration::from_millis(2);
            std::thread::sleep(pace.saturating_duration_since(Instant::now()));
        }
        let (value, bound, age_ms, outside) = bounded(&first, "a")?;
        in_a_row = if outside.is_empty() && bound <= 30.0 { in_a_row + 1 } else { 0 };
        if in_a_row >= 30 { Ok(()) } else { Err(format!("{in_a_row} in a row; {value} {bound} {age_ms}")) }
    });
}
