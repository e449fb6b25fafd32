use super::*;

/// A door, and what was read at the start.
fn door(users: &str) -> Arc<Door> {
    Door::new(read(users), Credentials::default(), &listener::Config::default())
}

fn read(users: &str) -> Prepared {
    Prepared {
        password: None,
        is_of_credential: false,
        users: Some(parse_users(users.as_bytes()).expect("users")),
        tls: None,
    }
}

fn line(door: &Door, name: &str) -> Option<String> {
    let all = String::from_utf8(door.access.to_file()).expect("text");
    let begin = format!("user {name} ");
    all.lines().find(|line| line.starts_with(&begin)).map(str::to_owned)
}

/// As ACL SETUSER and ACL DELUSER do.
fn revoke(door: &Door, off: &str, deleted: &str) {
    let users = parse_users(format!("user {off} off").as_bytes()).expect("a user");
    door.access.update(users, &[deleted.to_owned()]);
}

#[test]
fn what_a_client_has_revoked_stays_so_where_the_file_says_what_it_said() {
    let users = "user ads on nopass +@all ~*\nuser old on nopass +@all ~*\nuser temp on nopass +@all ~*\n";
    let door = door(&format!("{users}user dash on nopass +@read ~*"));
    revoke(&door, "ads", "temp");
    let off = line(&door, "ads");
    assert!(off.as_ref().is_some_and(|line| line.starts_with("user ads off")), "{off:?}");
    let fresh = users.replace("user old on nopass +@all ~*\n", "");
    let told = door.set(read(&format!("{fresh}user dash on nopass +@write ~*")));
    assert_eq!((line(&door, "ads"), line(&door, "temp")), (off, None));
    assert!(line(&door, "dash").is_some_and(|line| line.contains("+@write")));
    assert_eq!(line(&door, "old"), None);
    assert_eq!(told.told(), ["users changed: dash", "users deleted: old"]);
    let again = door.set(read(&format!("{fresh}user dash on nopass +@write ~*")));
    assert_eq!(again, ChangedUsers::default(), "the same again is nothing new");
    let none = door.set(Prepared { password: None, is_of_credential: false, users: None, tls: None });
    assert_eq!(none.told(), ["users deleted: ads, temp, dash"]);
    assert_eq!(door.access.list().len(), 1, "the user called default is always there");
}

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl crate::command::Auditor for Kept {
    fn note(&self, record: AuditRecord<'_>) {
        self.0.lock().push(format!("{} {} {}", record.event.name(), record.peer, record.subject));
    }
}

#[test]
fn an_auditor_is_told_of_users_that_a_reading_has_changed() {
    let kept = Arc::new(Mutex::default());
    let access = Access::new(Box::new(Kept(Arc::clone(&kept))), false, 10);
    let (changed, deleted) = (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]);
    ChangedUsers { changed, deleted }.note(&access);
    assert_eq!(*kept.lock(), ["user_changed SIGHUP a", "user_changed SIGHUP b", "user_deleted SIGHUP c"]);
}

#[test]
fn users_who_are_saved_at_the_same_time_are_all_in_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("users.acl");
    fs::write(&path, "").expect("written");
    let (file, access) = (AclFile::new(Some(path)), Access::default());
    for round in 0..10 {
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let (file, access) = (&file, &access);
                scope.spawn(move || {
                    access.update(vec![User::new(&format!("user-{round}-{writer}"))], &[]);
                    file.save(access).expect("saved");
                });
            }
        });
        let names: BTreeSet<String> = file.read().expect("whole").iter().map(|user| user.name().to_owned()).collect();
        let expected: BTreeSet<String> = access.list().iter().map(|account| account.name().to_string()).collect();
        assert_eq!(names, expected);
    }
}

#[test]
fn users_are_not_loaded_over_what_is_saved_at_the_same_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("users.acl");
    fs::write(&path, "").expect("written");
    let (file, access) = (AclFile::new(Some(path)), Access::default());
    std::thread::scope(|scope| {
        let saving = file.saving.lock();
        let loading = scope.spawn(|| file.load(&access));
        // What is saved while somebody else is about to load is what that one reads.
        access.update(vec![User::new("saved")], &[]);
        replace_file(file.path.as_ref().expect("there is one"), &access.to_file()).expect("written");
        drop(saving);
        loading.join().expect("no panic").expect("read");
    });
    assert!(access.list().iter().any(|account| account.name().as_ref() == "saved"));
}

#[test]
fn a_credential_that_has_gone_takes_no_password_away() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("discnt-resp-password");
    fs::write(&path, "secret").expect("written");
    let (credentials, configuration) = (Credentials(Some(directory.path().to_owned())), Configuration::default());
    let door = Door::new(prepare(&configuration, &credentials).expect("read"), credentials, &configuration.resp);
    assert!(Reloadable::prepare(&door, &configuration).is_ok());
    fs::remove_file(&path).expect("removed");
    let refused = Reloadable::prepare(&door, &configuration).err().expect("refused");
    assert!(refused.contains("the credential with the password"), "{refused}");
    assert!(!door.access.lets_everyone_in());
    let mut other = configuration;
    fs::write(directory.path().join("file"), "another").expect("written");
    other.resp.password_file = Some(directory.path().join("file"));
    let put_in_effect = Reloadable::prepare(&door, &other).expect("another password is one, too");
    assert_eq!(put_in_effect().as_deref(), Some("users changed: default"));
}
