//! What an auditor is told of many refusals.

use super::{Access, AuditRecord, Auditor};
use crate::command::Settings;
use crate::command::testing::Bench;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// Keeps what it is told.
#[derive(Debug)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl Auditor for Kept {
    fn note(&self, record: AuditRecord<'_>) {
        let AuditRecord { event, user, peer, subject } = record;
        self.0.lock().push(format!("{} {user} {peer} {subject}", event.name()));
    }
}

#[test]
fn an_auditor_is_told_of_some_refusals_and_how_many_more_there_were() {
    let kept = Arc::new(Mutex::default());
    let access = Arc::new(Access::new(Box::new(Kept(Arc::clone(&kept))), false, 0));
    let mut bench = Bench::with(Settings { access: Arc::clone(&access), ..Settings::default() });
    bench.run("acl setuser ads on nopass +get ~ads:*");
    bench.run("auth ads any");
    kept.lock().clear();
    for number in 0..500 {
        assert!(bench.run(&format!("get other:{number}")).starts_with("-NOPERM"));
        assert!(bench.run(&format!("auth user-{number} x")).starts_with("-WRONGPASS"));
    }
    assert_eq!(kept.lock().len(), 40);
    access.note_left_out(bench.now);
    assert_eq!(kept.lock().len(), 40, "the minute is not over");
    bench.now.monotonic = bench.now.monotonic.after(Duration::from_secs(60));
    access.note_left_out(bench.now);
    let more = kept.lock().split_off(40);
    assert_eq!(more, ["refusals_left_out  127.0.0.1 480", "refusals_left_out ads 127.0.0.1 480"]);
    bench.run("get other");
    assert_eq!(kept.lock().last().map(String::as_str), Some("request_denied ads 127.0.0.1:40000 key other"));
}
