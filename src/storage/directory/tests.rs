use super::*;
use crate::base::{HybridTime, NodeId};
use crate::membership::Admission;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        Self { root }
    }

    fn path(&self) -> PathBuf {
        self.root.path().join("a/b")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn open(&self) -> DataDirectory {
        DataDirectory::open(self.path()).expect("the directory is good")
    }

    fn refusal(&self) -> String {
        let error = DataDirectory::open(self.path()).expect_err("it must be refused");
        error.to_string()
    }
}

fn id(digit: u8) -> NodeId {
    NodeId::new([digit; 20])
}

fn members() -> Vec<RememberedMember> {
    vec![
        RememberedMember { id: id(0xab), host: "node1.example.net".into(), client_port: 5262, mesh_port: 5263 },
        RememberedMember { id: id(0x01), host: "2001:db8::1 \"odd\"\n".into(), client_port: 0, mesh_port: 65535 },
    ]
}

fn kept_out() -> KeptOut {
    let admission = Admission { node: id(8), forgotten: HybridTime(1 << 16), met: HybridTime(0), banned: true };
    KeptOut { barred: vec![id(7)], admissions: vec![admission] }
}

/// Every way in which one byte can be wrong, and every length that a cut can leave.
fn damages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..bytes.len()).map(|at| bytes[..at].to_vec()).collect();
    for at in 0..bytes.len() {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1;
        all.push(flipped);
    }
    all
}

#[test]
fn incarnations_grow_over_restarts_and_above_what_was_heard() {
    let place = Place::new();
    let directory = place.open();
    assert_eq!(directory.last_incarnation().ok(), Some(None));
    assert_eq!(directory.next_incarnation().ok(), Some(Incarnation(1)));
    assert_eq!(directory.next_incarnation().ok(), Some(Incarnation(2)));
    drop(directory);
    let directory = place.open();
    assert_eq!(directory.last_incarnation().ok(), Some(Some(Incarnation(2))));
    let above = directory.next_incarnation_above(Incarnation(40));
    assert_eq!(above.ok(), Some(Incarnation(41)));
    assert_eq!(directory.next_incarnation().ok(), Some(Incarnation(42)));
    let exhausted = directory.next_incarnation_above(Incarnation(u64::MAX));
    assert!(matches!(exhausted, Err(StorageError::Exhausted { .. })));
    assert_eq!(directory.next_incarnation().ok(), Some(Incarnation(43)));
}

#[test]
fn members_and_barred_nodes_read_back_after_a_restart() {
    let place = Place::new();
    let directory = place.open();
    assert_eq!(directory.load_members().expect("none yet"), []);
    assert_eq!(directory.load_kept_out().expect("none yet"), KeptOut::default());
    directory.save_members(&members()).expect("they are saved");
    directory.save_kept_out(&kept_out()).expect("they are saved");
    drop(directory);
    let directory = place.open();
    assert_eq!(directory.load_members().expect("they are there"), members());
    assert_eq!(directory.load_kept_out().expect("they are there"), kept_out());
    directory.save_members(&[]).expect("they are saved");
    assert_eq!(directory.load_members().expect("none again"), []);
}

#[test]
fn the_bytes_on_disk_are_what_their_versions_say() {
    let place = Place::new();
    let directory = place.open();
    directory.next_incarnation().expect("it is taken");
    directory.save_members(&members()).expect("they are saved");
    directory.save_kept_out(&kept_out()).expect("they are saved");
    let read = |name| fs::read_to_string(place.file(name)).expect("it was written");
    assert_eq!(read("FORMAT"), "discnt data 1\n");
    assert_eq!(
        read("incarnation"),
        concat!(
            r#"{"discnt":"incarnation","version":1,"sha256":"919b0df93f8a5a738c982c71c7175483002e184dabb574aaea6f34d6109e3ddd"}"#,
            "\n",
            r#"{"incarnation":1}"#,
            "\n",
        )
    );
    assert_eq!(
        read("members"),
        concat!(
            r#"{"discnt":"members","version":1,"sha256":"45f5b5344b741225f6ee55b858981550fa86860eb66e5ee68c360f918e14a552"}"#,
            "\n",
            r#"{"id":"abababababababababababababababababababab","host":"node1.example.net","client_port":5262,"mesh_port":5263}"#,
            "\n",
            r#"{"id":"0101010101010101010101010101010101010101","host":"2001:db8::1 \"odd\"\n","client_port":0,"mesh_port":65535}"#,
            "\n",
        )
    );
    assert_eq!(
        read("barred"),
        concat!(
            r#"{"discnt":"barred","version":3,"sha256":"3c5fb9262e8da80a09d0a0ed9459875c2b5545108efa45f0dea66e56e6be3603"}"#,
            "\n",
            r#"{"id":"0707070707070707070707070707070707070707"}"#,
            "\n",
            r#"{"id":"0808080808080808080808080808080808080808","forgotten":65536,"met":0,"banned":true}"#,
            "\n",
        )
    );
}

#[test]
fn whom_version_2_kept_out_is_kept_out_and_banned_by_nobody() {
    let place = Place::new();
    let directory = place.open();
    let bytes = concat!(
        r#"{"discnt":"barred","version":2,"sha256":"ea28527bc6083e58840197b175268f985dca20b8c25809b5d120bac4eeb47e9a"}"#,
        "\n",
        r#"{"id":"0707070707070707070707070707070707070707"}"#,
        "\n",
        r#"{"id":"0808080808080808080808080808080808080808","forgotten":65536,"met":0}"#,
        "\n",
    );
    fs::write(place.file("barred"), bytes).expect("it is written");
    let admission = Admission { banned: false, ..kept_out().admissions[0] };
    let expected = KeptOut { admissions: vec![admission], ..kept_out() };
    assert_eq!(directory.load_kept_out().expect("it is read"), expected);
}

#[test]
fn whom_version_1_barred_is_barred_still() {
    let place = Place::new();
    let directory = place.open();
    let bytes = concat!(
        r#"{"discnt":"barred","version":1,"sha256":"695cb1c1c159708ea9a0f57e8a40afa04f1e52b7fa2546ff27ec5b5e459b9537"}"#,
        "\n",
        r#"{"id":"0707070707070707070707070707070707070707"}"#,
        "\n",
    );
    fs::write(place.file("barred"), bytes).expect("it is written");
    let expected = KeptOut { barred: vec![id(7)], admissions: Vec::new() };
    assert_eq!(directory.load_kept_out().expect("it is read"), expected);
    fs::write(place.file("barred"), bytes.replace("version\":1", "version\":4")).expect("it is written");
    let text = directory.load_kept_out().expect_err("it must be refused").to_string();
    assert!(text.contains("version 4") && text.contains("up to version 3"), "{text}");
}

#[test]
fn a_second_server_is_told_who_has_the_directory() {
    let place = Place::new();
    let first = place.open();
    let text = place.refusal();
    let process = format!("(process {})", std::process::id());
    assert!(text.contains("is in use by another discnt-server"), "{text}");
    assert!(text.contains(&process), "{text}");
    assert!(text.contains(&place.path().display().to_string()), "{text}");
    drop(first);
    place.open();
}

#[test]
fn a_missing_incarnation_is_an_error_and_never_zero() {
    let place = Place::new();
    place.open().next_incarnation().expect("it is taken");
    fs::remove_file(place.file("incarnation")).expect("it was written");
    let text = place.refusal();
    assert!(text.contains("incarnation is missing"), "{text}");
    assert!(text.contains("--repair"), "{text}");
    assert!(!place.file("incarnation").exists());
}

#[test]
fn every_damage_to_the_incarnation_is_noticed() {
    let place = Place::new();
    place.open().next_incarnation().expect("it is taken");
    let whole = fs::read(place.file("incarnation")).expect("it was written");
    for damaged in damages(&whole) {
        fs::write(place.file("incarnation"), &damaged).expect("it is written");
        let error = DataDirectory::open(place.path()).expect_err("it must be refused");
        let noticed = matches!(error, StorageError::Damaged { .. } | StorageError::Newer { .. });
        assert!(noticed, "{error} for {:?}", String::from_utf8_lossy(&damaged));
    }
    fs::write(place.file("incarnation"), &whole).expect("it is written");
    assert_eq!(place.open().next_incarnation().ok(), Some(Incarnation(2)));
}

#[test]
fn every_damage_to_the_members_is_noticed_and_they_are_left_as_they_are() {
    let place = Place::new();
    let directory = place.open();
    directory.save_members(&members()).expect("they are saved");
    let whole = fs::read(place.file("members")).expect("it was written");
    for damaged in damages(&whole) {
        fs::write(place.file("members"), &damaged).expect("it is written");
        let text = directory.load_members().expect_err("it must be refused").to_string();
        assert!(text.contains("members is "), "{text}");
        assert_eq!(fs::read(place.file("members")).ok(), Some(damaged));
    }
}

#[test]
fn later_versions_are_refused_as_such() {
    let place = Place::new();
    drop(place.open());
    let later = r#"{"discnt":"incarnation","version":2,"blake3":"of another day"}"#;
    fs::write(place.file("incarnation"), format!("{later}\n")).expect("it is written");
    let text = place.refusal();
    assert!(text.contains("version 2") && text.contains("up to version 1"), "{text}");
    fs::write(place.file("FORMAT"), "discnt data 2\n").expect("it is written");
    let text = place.refusal();
    assert!(text.contains("FORMAT is of version 2"), "{text}");
    for damaged in ["", "discnt data 1", "discnt data x\n", "discnt data 0\n"] {
        fs::write(place.file("FORMAT"), damaged).expect("it is written");
        let text = place.refusal();
        assert!(text.contains("FORMAT is damaged"), "{text}");
    }
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let place = Place::new();
    fs::create_dir_all(place.path()).expect("it is new");
    fs::write(place.file("notes.txt"), "mine").expect("it is written");
    let text = place.refusal();
    assert!(text.contains("it holds notes.txt and no FORMAT file"), "{text}");
    let entries = fs::read_dir(place.path()).expect("it is there").count();
    assert_eq!(entries, 1);
}

#[test]
fn a_node_that_lost_its_format_is_no_new_node() {
    let place = Place::new();
    place.open().save_members(&members()).expect("they are saved");
    fs::remove_file(place.file("FORMAT")).expect("it was written");
    let text = place.refusal();
    assert!(text.contains("FORMAT is missing") && text.contains("--repair"), "{text}");
}

#[test]
fn a_repair_writes_the_format_again_and_nothing_else() {
    for damage in [None, Some("discnt dat"), Some("")] {
        let place = Place::new();
        let directory = place.open();
        directory.save_members(&members()).expect("they are saved");
        let taken = directory.next_incarnation().expect("it is taken");
        drop(directory);
        match damage {
            None => fs::remove_file(place.file("FORMAT")).expect("it was there"),
            Some(text) => fs::write(place.file("FORMAT"), text).expect("it is written"),
        }
        assert!(place.refusal().contains("--repair"), "{}", place.refusal());
        let (_, repaired) = DataDirectory::repair(place.path(), 9).expect("repaired");
        assert_eq!((repaired.losses.len(), repaired.set_aside.is_some()), (1, damage.is_some()), "{repaired:?}");
        let directory = place.open();
        assert_eq!(directory.load_members().ok(), Some(members()));
        assert_eq!(directory.last_incarnation().ok(), Some(Some(taken)));
    }
    let place = Place::new();
    drop(place.open());
    fs::write(place.file("FORMAT"), "discnt data 2\n").expect("it is written");
    let refused = DataDirectory::repair(place.path(), 9).expect_err("it is newer").to_string();
    assert!(refused.contains("FORMAT is of version 2"), "{refused}");
}

#[test]
fn a_first_start_that_was_cut_short_is_done_again() {
    let place = Place::new();
    fs::create_dir_all(place.path()).expect("it is new");
    for left in ["LOCK", "incarnation.new", "FORMAT.new"] {
        fs::write(place.file(left), "").expect("it is written");
    }
    assert_eq!(place.open().next_incarnation().ok(), Some(Incarnation(1)));
}

#[test]
fn a_failed_save_leaves_the_old_file() {
    let place = Place::new();
    let directory = place.open();
    directory.save_members(&members()).expect("they are saved");
    // A directory where the temporary file goes stops the writing for every user, also for root.
    fs::create_dir(place.file("members.new")).expect("the name is free");
    let error = directory.save_members(&[]).expect_err("it cannot be written");
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert_eq!(directory.load_members().expect("the old ones"), members());
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let place = Place::new();
    fs::write(place.root.path().join("a"), "a file").expect("it is written");
    let text = place.refusal();
    assert!(text.contains("cannot make the data directory"), "{text}");
    assert!(text.contains("a/b"), "{text}");
}

#[test]
fn a_read_only_directory_is_an_error_where_the_system_keeps_to_it() {
    let place = Place::new();
    let directory = place.open();
    let set = |mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(place.path(), permissions).expect("it is ours");
    };
    set(0o500);
    // Root writes wherever it likes.
    let kept = fs::write(place.file("probe"), "").is_err();
    let taken = directory.next_incarnation();
    set(0o700);
    if kept {
        assert!(matches!(taken, Err(StorageError::NotAllowed { .. })));
        assert_eq!(directory.next_incarnation().ok(), Some(Incarnation(1)));
    } else {
        assert_eq!(taken.ok(), Some(Incarnation(1)));
    }
}

#[test]
fn only_the_owner_can_look_in() {
    let place = Place::new();
    place.open().save_members(&members()).expect("they are saved");
    let mode = |path: PathBuf| fs::metadata(path).expect("it is there").permissions().mode();
    assert_eq!(mode(place.path()) & 0o777, 0o700);
    for file in ["LOCK", "FORMAT", "incarnation", "members"] {
        assert_eq!(mode(place.file(file)) & 0o077, 0, "{file}");
    }
}

#[test]
fn a_directory_that_has_to_be_there_is_not_made_of_an_empty_one() {
    let place = Place::new();
    for makes in [false, true] {
        if makes {
            fs::create_dir_all(place.path()).expect("a directory");
        }
        let refused = DataDirectory::repair(place.path(), 0).expect_err("nothing is there").to_string();
        assert!(refused.contains("no FORMAT file") && refused.contains("--data-dir"), "{refused}");
        assert!(fs::read_dir(place.path()).map_or(true, |mut entries| entries.next().is_none()));
    }
}

#[test]
fn a_repair_sets_damaged_files_aside_and_takes_an_incarnation_that_is_certainly_later() {
    const NOW_SECONDS: u64 = 1_800_000_000;
    let place = Place::new();
    assert!(matches!(DataDirectory::repair(place.path(), NOW_SECONDS), Err(StorageError::NoDirectory { .. })));
    let directory = place.open();
    directory.next_incarnation().expect("it is taken");
    directory.save_members(&members()).expect("they are saved");
    directory.save_kept_out(&kept_out()).expect("they are saved");
    drop(directory);
    let (directory, repaired) = DataDirectory::repair(place.path(), NOW_SECONDS).expect("nothing is wrong");
    assert_eq!((repaired, directory.load_members().ok()), (FilesRepaired::default(), Some(members())));
    drop(directory);
    for name in ["incarnation", "members", "barred"] {
        fs::write(place.file(name), "damaged").expect("it is written");
    }
    let (directory, repaired) = DataDirectory::repair(place.path(), NOW_SECONDS).expect("repaired");
    let aside = place.file("damaged-1");
    assert_eq!((repaired.set_aside.as_ref(), repaired.losses.len()), (Some(&aside), 3), "{repaired:?}");
    assert_eq!(fs::read(aside.join("members")).expect("it is there"), b"damaged");
    assert_eq!(directory.load_members().expect("none"), []);
    assert_eq!(directory.load_kept_out().expect("none"), KeptOut::default());
    assert!(directory.next_incarnation().expect("one more").0 > NOW_SECONDS);
    drop(directory);
    fs::remove_file(place.file("incarnation")).expect("it was there");
    let (directory, repaired) = DataDirectory::repair(place.path(), NOW_SECONDS + 9).expect("repaired");
    assert_eq!((repaired.set_aside, repaired.losses.len()), (None, 1));
    assert!(directory.next_incarnation().expect("one more").0 > NOW_SECONDS + 9);
}
