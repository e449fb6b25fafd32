use super::*;
use crate::mesh::authorities::MAX_TRUSTED;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

struct Place {
    _directory: TempDir,
    config: Config,
    data: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let data = directory.path().join("data");
        fs::create_dir(&data).expect("it is new");
        let config = Config { certs_dir: directory.path().join("certs"), ..Config::default() };
        Self { config, data, _directory: directory }
    }

    fn open(&self) -> Result<OpenedIdentity, IdentityError> {
        Identity::open(&self.config, &self.data)
    }

    fn id(&self) -> NodeId {
        self.open().expect("the identity is good").identity.id
    }

    fn refusal(&self) -> String {
        self.open().expect_err("it must be refused").to_string()
    }

    fn ca(&self, file: &str) -> PathBuf {
        self.config.certs_dir.join(file)
    }

    fn own(&self, file: &str) -> PathBuf {
        self.data.join(file)
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it was made").permissions().mode() & 0o777
}

#[test]
fn the_first_start_makes_an_authority_and_later_ones_use_it() {
    let place = Place::new();
    let first = place.open().expect("it is made");
    assert!(matches!(first.source, IdentitySource::Development { made_now: true, .. }));
    assert!(first.warnings[0].contains("newly made authority"));
    assert_eq!(mode(&place.ca("ca.key")), 0o600);
    assert_eq!(mode(&place.own("node.key")), 0o600);
    let again = place.open().expect("it is there");
    assert!(matches!(again.source, IdentitySource::Development { made_now: false, .. }));
    assert_eq!(again.identity.id, first.identity.id);
    assert_eq!(again.identity.chain, first.identity.chain);
    let details = certificate::describe(&place.own("node.crt")).expect("it was made");
    assert_eq!(details[0].node_id, first.identity.id);
    assert!(!details[0].is_authority);
    assert!(certificate::describe(&place.ca("ca.crt")).expect("it was made")[0].is_authority);
}

#[test]
fn nodes_that_start_together_make_one_authority() {
    let place = Place::new();
    let starts: Vec<OpenedIdentity> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let data = place.data.join(number.to_string());
                fs::create_dir(&data).expect("it is new");
                let config = &place.config;
                scope.spawn(move || Identity::open(config, &data).expect("it is made"))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let makers = starts
        .iter()
        .filter(|start| matches!(start.source, IdentitySource::Development { made_now: true, .. }))
        .count();
    assert_eq!(makers, 1);
    for start in &starts {
        assert_eq!(start.identity.roots.roots, starts[0].identity.roots.roots);
    }
}

#[test]
fn the_id_stays_when_the_certificate_must_be_issued_anew() {
    let place = Place::new();
    let id = place.id();
    let certificate = place.own("node.crt");
    fs::remove_file(&certificate).expect("it was made");
    assert_eq!(place.id(), id);
    fs::write(&certificate, "garbage").expect("it is written");
    assert_eq!(place.id(), id);
    let (authority, _) = authority::load_or_make_development(&place.config.certs_dir).expect("it is there");
    authority.issue_to_files(&certificate, &place.own("node.key"), 0).expect("it is issued");
    assert_eq!(place.id(), id);
    let details = certificate::describe(&certificate).expect("it was made");
    let margin = OffsetDateTime::now_utc() + RENEWAL_MARGIN;
    assert!(details[0].not_after > margin, "it was not renewed");
    fs::remove_dir_all(&place.config.certs_dir).expect("it was made");
    assert_eq!(place.id(), id);
}

#[test]
fn a_lost_key_is_no_new_node() {
    let place = Place::new();
    place.id();
    fs::remove_file(place.own("node.key")).expect("it was made");
    let text = place.refusal();
    assert!(text.contains("node.key: the key is missing"), "{text}");
    fs::write(place.own("node.key"), "garbage").expect("it is written");
    let text = place.refusal();
    assert!(text.contains("node.key: it is no usable private key"), "{text}");
}

#[test]
fn an_authority_without_its_key_serves_those_who_have_a_certificate() {
    let place = Place::new();
    let id = place.id();
    fs::remove_file(place.ca("ca.key")).expect("it was made");
    assert_eq!(place.id(), id);
    let newcomer = Place {
        data: place.data.join("newcomer"),
        config: place.config.clone(),
        _directory: tempfile::tempdir().expect("a temporary directory"),
    };
    fs::create_dir(&newcomer.data).expect("it is new");
    let text = newcomer.refusal();
    assert!(text.contains("there is no ca.key beside it"), "{text}");
    assert!(text.contains("discnt-cli certs issue"), "{text}");
}

#[test]
fn configured_files_are_checked_against_each_other() {
    let place = Place::new();
    let real = |name: &str| authority::make_authority(&place.data.join(name), name, 100).expect("it is made");
    let (ours, other) = (real("ours"), real("other"));
    let path = |name: &str| place.data.join(name);
    let issue = |authority: &Authority, name: &str| {
        authority
            .issue_to_files(&path(&format!("{name}.crt")), &path(&format!("{name}.key")), 50)
            .expect("it is issued")
    };
    let issued = issue(&ours, "a");
    issue(&ours, "b");
    issue(&other, "c");
    let open = |ca: &str, cert: &str, key: &str| {
        let config =
            Config { ca_cert: Some(path(ca)), cert: Some(path(cert)), key: Some(path(key)), ..Config::default() };
        Identity::open(&config, &place.data).map_err(|error| error.to_string())
    };
    let good = open("ours/ca.crt", "a.crt", "a.key").expect("it is good");
    assert_eq!(good.identity.id, issued.node_id);
    assert_eq!(good.warnings, Vec::<String>::new());
    for (ca, cert, key, expected) in [
        ("ours/ca.crt", "a.crt", "b.key", "the key is not that of the certificate"),
        ("ours/ca.crt", "c.crt", "c.key", "not of the given authority"),
        ("ours/ca.crt", "ours/ca.crt", "ours/ca.key", "certificate of an authority"),
        ("a.crt", "a.crt", "a.key", "that is not an authority's"),
        ("ours/ca.crt", "a.key", "a.key", "it holds no PEM certificate"),
        ("ours/ca.crt", "a.crt", "a.crt", "it holds no PEM private key"),
        ("none", "a.crt", "a.key", "there is no such file"),
    ] {
        let text = open(ca, cert, key).expect_err("it must be refused");
        assert!(text.contains(expected), "{text}");
    }
    fs::set_permissions(path("a.key"), fs::Permissions::from_mode(0o644)).expect("it is ours");
    let loose = open("ours/ca.crt", "a.crt", "a.key").expect("it is good");
    assert!(loose.warnings[0].contains("chmod 600"));
}

#[test]
fn an_expired_certificate_is_refused_with_the_day() {
    let place = Place::new();
    let authority = authority::make_authority(&place.data.join("ca"), "ca", 100).expect("it is made");
    let (cert, key) = (place.own("a.crt"), place.own("a.key"));
    authority.issue_to_files(&cert, &key, 0).expect("it is issued");
    let details = certificate::describe(&cert).expect("it was made");
    let later = details[0].not_after + Duration::days(1);
    let problem = details[0].validity_problem(later).expect("it has expired");
    assert!(problem.starts_with("the certificate expired on 2"), "{problem}");
    let earlier = details[0].not_before - Duration::days(1);
    let problem = details[0].validity_problem(earlier).expect("it is not valid yet");
    assert!(problem.contains("valid only from"), "{problem}");
}

#[test]
fn renewing_gives_a_new_id_that_stays_once_it_is_taken() {
    let place = Place::new();
    let id = place.id();
    assert_eq!(Identity::next_id(&place.data).expect("readable"), None);
    let renewed = Identity::renew(&place.config, &place.data).expect("it is renewed").identity.id;
    assert_ne!(renewed, id);
    assert_eq!((place.id(), Identity::next_id(&place.data).expect("readable")), (id, Some(renewed)));
    Identity::take_next(&place.data).expect("taken");
    assert_eq!((place.id(), Identity::next_id(&place.data).expect("readable")), (renewed, None));
    let another = Identity::renew(&place.config, &place.data).expect("it is renewed").identity.id;
    assert_ne!(another, renewed);
    Identity::drop_next(&place.data).expect("dropped");
    assert_eq!((place.id(), Identity::next_id(&place.data).expect("readable")), (renewed, None));
}

#[test]
fn a_crash_between_a_new_key_and_its_certificate_costs_neither() {
    let place = Place::new();
    place.id();
    let renewed = Identity::renew(&place.config, &place.data).expect("it is renewed").identity.id;
    fs::rename(place.data.join(NEXT_KEY_FILE), place.data.join(NODE_KEY_FILE)).expect("renamed");
    assert_eq!(place.id(), renewed);
}

#[test]
fn an_existing_authority_is_not_overwritten() {
    let place = Place::new();
    place.id();
    let before = fs::read(place.ca("ca.crt")).expect("it was made");
    let made = authority::make_authority(&place.config.certs_dir, "another", 1);
    assert!(matches!(made, Err(IdentityError::Exists { .. })));
    assert_eq!(fs::read(place.ca("ca.crt")).expect("it was made"), before);
}

#[test]
fn who_holds_the_key_of_an_authority_that_was_replaced_certifies_nobody_until_it_has_the_next() {
    let (first, second) = (Place::new(), Place::new());
    first.id();
    let copy = |files: &[&str]| {
        fs::create_dir_all(&second.config.certs_dir).expect("a directory");
        for file in files {
            fs::copy(first.ca(file), second.ca(file)).expect("copied");
        }
    };
    copy(&["ca.crt", "ca.key"]);
    let id = second.id();
    assert!(Identity::issuer(&second.config, &second.data).is_ok());
    Identity::replace_authority(&first.config, &first.data).expect("it holds the key");
    let next = Identity::issuer(&first.config, &first.data).expect("it holds that of the next").offer();
    assert!(Identity::trust(&second.config, &second.data, &[next]).expect("vouched for"), "news");
    let refused = Identity::issuer(&second.config, &second.data).err().expect("it must not certify");
    assert!(refused.contains("was replaced") && refused.contains("ca.voucher.crt"), "{refused}");
    let opened = second.open().expect("it is still a node");
    assert!(matches!(opened.source, IdentitySource::Joined { issues: false, .. }), "members certify it from now on");
    assert!(opened.identity.id == id && opened.identity.is_of_older_authority(&second.data));
    copy(&["ca.crt", "ca.key", "ca.voucher.crt"]);
    assert!(Identity::issuer(&second.config, &second.data).is_ok());
    let opened = second.open().expect("it certifies itself");
    assert!(matches!(opened.source, IdentitySource::Joined { issues: true, .. }));
    assert!(opened.identity.id == id && !opened.identity.is_of_older_authority(&second.data));
}

/// What is kept of the authority and of those that are trusted.
fn kept(place: &Place) -> [String; 3] {
    [place.ca("ca.crt"), place.ca("ca.key"), place.own("authorities.crt")]
        .map(|path| fs::read_to_string(path).expect("it is there"))
}

/// As if the time was over of all that are to be let go.
fn let_go(place: &Place) {
    let path = place.own("authorities.crt");
    let text = fs::read_to_string(&path).expect("kept");
    let line =
        |line: &str| if line.starts_with("# trusted until") { "# trusted until 1000".into() } else { line.to_owned() };
    let lines: Vec<String> = text.lines().map(line).collect();
    fs::write(&path, lines.join("\n") + "\n").expect("written");
}

#[test]
fn an_authority_is_replaced_as_often_as_there_is_room_and_lost_never() {
    let place = Place::new();
    let id = place.id();
    let replace = || Identity::replace_authority(&place.config, &place.data);
    for _ in 1..MAX_TRUSTED {
        assert_eq!(replace().expect("there is room").identity.id, id);
    }
    let before = kept(&place);
    let refused = replace().expect_err("too many are trusted");
    assert!(refused.contains("let go in 30 days"), "{refused}");
    assert_eq!(kept(&place), before);
    assert!(Identity::issuer(&place.config, &place.data).is_ok());
    for _ in 0..9 {
        let_go(&place);
        replace().expect("the old ones make room");
        assert_eq!(place.id(), id);
    }
    assert!(place.ca("ca.key.next").symlink_metadata().is_err());
}

#[test]
fn an_authority_stays_where_its_successor_cannot_be_trusted() {
    let place = Place::new();
    let id = place.id();
    let before = [place.ca("ca.crt"), place.ca("ca.key")].map(|path| fs::read(path).expect("it is there"));
    let authority = Identity::issuer(&place.config, &place.data).expect("it holds the key");
    let next = authority.successor().expect("made");
    let full = || Err(files::io_error("write", &place.own("authorities.crt"))(std::io::ErrorKind::StorageFull.into()));
    assert!(authority.give_way(&next, &[], full).is_err());
    assert_eq!([place.ca("ca.crt"), place.ca("ca.key")].map(|path| fs::read(path).expect("it is there")), before);
    assert!(place.id() == id && Identity::issuer(&place.config, &place.data).is_ok());
}

#[test]
fn of_two_who_tell_of_an_authority_at_once_neither_is_lost() {
    let place = Place::new();
    place.id();
    let first = Identity::issuer(&place.config, &place.data).expect("it holds the key");
    let offers: Vec<_> = (0..4).map(|_| [first.successor().expect("made").offer()]).collect();
    std::thread::scope(|scope| {
        for offer in &offers {
            scope.spawn(|| Identity::trust(&place.config, &place.data, offer).expect("vouched for"));
        }
    });
    let kept = fs::read_to_string(place.own("authorities.crt")).expect("kept");
    assert_eq!(kept.matches("BEGIN CERTIFICATE").count(), 1 + offers.len(), "{kept}");
}

#[test]
fn two_holders_who_both_replace_the_authority_both_go_on() {
    let (first, second) = (Place::new(), Place::new());
    first.id();
    fs::create_dir_all(&second.config.certs_dir).expect("a directory");
    for file in ["ca.crt", "ca.key"] {
        fs::copy(first.ca(file), second.ca(file)).expect("copied");
    }
    second.id();
    let places = [&first, &second];
    for place in places {
        Identity::replace_authority(&place.config, &place.data).expect("it holds the key");
    }
    let offers = places.map(|place| Identity::issuer(&place.config, &place.data).expect("it holds the key").offer());
    for (place, other) in [(&first, &offers[1]), (&second, &offers[0])] {
        assert!(Identity::trust(&place.config, &place.data, std::slice::from_ref(other)).expect("vouched for"));
        assert!(Identity::issuer(&place.config, &place.data).is_ok(), "it certifies on");
        let kept = fs::read_to_string(place.own("authorities.crt")).expect("kept");
        assert_eq!((kept.matches("BEGIN CERT").count(), kept.matches("# trusted until").count()), (3, 1), "{kept}");
        Identity::replace_authority(&place.config, &place.data).expect("it certifies on");
    }
}
