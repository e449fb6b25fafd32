//! A store that was repaired, or written anew, takes the place of the damaged one: in several steps, of which every one may
//! be the last of a process. What is under way is written down first, and whoever comes next ends it.

use super::commits_file::{self, CommitsFile, Said};
use super::{STORE, UNFINISHED};
use crate::storage::StorageError;
use crate::storage::checked_file::{self, Kind, io_error, sync_directory};
use std::fs;
use std::path::{Path, PathBuf};

const REPLACEMENT: Kind = Kind {
    name: "replacing",
    consequence: "deleting it leaves it to you to put what is in store.new, which is repaired, into the place of the store, before the next start removes it",
    version: 1,
};

/// What is under way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replacement {
    /// Where the damaged store goes.
    pub(super) aside: PathBuf,
    /// What the repaired one holds.
    pub(super) said: Said,
}

impl Replacement {
    /// Replaces the store by the one that is made and has not its name yet.
    pub(super) fn begin(self, data_directory: &Path) -> Result<CommitsFile, StorageError> {
        let Said { store, commit } = self.said;
        let aside = self.aside.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let lines = [aside, store.to_string(), commit.to_string()];
        sync_directory(&data_directory.join(UNFINISHED))?;
        checked_file::write(data_directory, REPLACEMENT, lines.into_iter())?;
        self.complete(data_directory)
    }

    /// From wherever an earlier process got to.
    fn complete(&self, data_directory: &Path) -> Result<CommitsFile, StorageError> {
        let (store, unfinished) = (data_directory.join(STORE), data_directory.join(UNFINISHED));
        // While it is there, what has the names is what is damaged.
        if unfinished.try_exists().map_err(io_error("look for", &unfinished))? {
            for name in [STORE, commits_file::FILE_NAME] {
                move_if_there(&data_directory.join(name), &self.aside.join(name))?;
            }
            sync_directory(&self.aside)?;
            fs::rename(&unfinished, &store).map_err(io_error("rename", &unfinished))?;
            sync_directory(data_directory)?;
        }
        let commits = CommitsFile::create(data_directory, self.said)?;
        let note = data_directory.join(REPLACEMENT.name);
        fs::remove_file(&note).map_err(io_error("remove", &note))?;
        sync_directory(data_directory)?;
        Ok(commits)
    }
}

/// Removes what was to take the store's place, unless it is written down that it will, and with it the empty directory that
/// was to take what is set aside.
pub(super) fn forget_unless_written(data_directory: &Path, aside: Option<&Path>) {
    if fs::exists(data_directory.join(REPLACEMENT.name)).is_ok_and(|is_written| !is_written) {
        // What stays is in nobody's way, and a later start removes the greater part.
        let _ = aside.map(fs::remove_dir);
        let _ = fs::remove_dir_all(data_directory.join(UNFINISHED));
    }
}

/// Removes what a process left that ended before it had written down what was to be replaced. Only beside a store that was
/// opened, and nothing is under way: nobody goes on with it.
pub(super) fn remove_unfinished(data_directory: &Path) {
    let unfinished = data_directory.join(UNFINISHED);
    let path = unfinished.display();
    match fs::remove_dir_all(&unfinished) {
        Ok(()) => tracing::info!("removed {path}: a store that was being written and was not complete"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!("{path} was never complete, nothing needs it, and it cannot be removed: {error}"),
    }
}

/// Ends what a process before this began, if there is anything.
pub(super) fn complete(data_directory: &Path) -> Result<(), StorageError> {
    let Some(lines) = checked_file::read(data_directory, REPLACEMENT)? else { return Ok(()) };
    let replacement = parse(data_directory, &lines).ok_or_else(|| StorageError::Damaged {
        path: data_directory.join(REPLACEMENT.name),
        what: "it does not say what is replaced by what".into(),
        consequence: REPLACEMENT.consequence,
    })?;
    replacement.complete(data_directory).map(drop)
}

fn parse(data_directory: &Path, lines: &[String]) -> Option<Replacement> {
    let [aside, store, commit] = lines else { return None };
    let said = Said { store: store.parse().ok()?, commit: commit.parse().ok()? };
    Some(Replacement { aside: data_directory.join(aside), said })
}

fn move_if_there(from: &Path, to: &Path) -> Result<(), StorageError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error("set aside", from)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NODE_ID, counter, record};
    use super::super::{Changes, LoadProgress, Standing, Store};
    use super::*;
    use crate::base::Durability;

    /// A damaged store with two counters, and the name of the file that is damaged.
    fn damaged(directory: &Path) {
        let (mut store, _) = Store::open(directory, NODE_ID).expect("made");
        let standing = Standing { whole: true, stale: false };
        store.begin_run(&record(100), Durability::Always, standing).expect("begun");
        for (name, revision) in [(b"a", 7), (b"b", 8)] {
            let mut changes = Changes::default();
            changes.push(name, Some(&counter(revision)));
            store.commit(&mut changes, None).expect("committed");
        }
        drop(store);
        // The last commit is missing, as far as the file beside the store says.
        let (mut commits, said) = CommitsFile::open(directory).expect("read").expect("there");
        commits.write(Said { commit: said.commit + 1, ..said }).expect("written");
    }

    fn exists(directory: &Path, name: &str) -> bool {
        directory.join(name).exists()
    }

    /// How far a process got with what it had written down.
    const STEPS: usize = 5;

    /// Does what a replacement does, up to a step.
    fn stop_after(directory: &Path, step: usize, said: Said) {
        let aside = directory.join("damaged-1");
        let lines = ["damaged-1".to_owned(), said.store.to_string(), said.commit.to_string()];
        checked_file::write(directory, REPLACEMENT, lines.into_iter()).expect("written");
        let rename = |from: &Path, to: &Path| fs::rename(from, to).expect("renamed");
        let steps: [&dyn Fn(); STEPS] = [
            &|| {},
            &|| rename(&directory.join(STORE), &aside.join(STORE)),
            &|| rename(&directory.join(commits_file::FILE_NAME), &aside.join(commits_file::FILE_NAME)),
            &|| rename(&directory.join(UNFINISHED), &directory.join(STORE)),
            &|| drop(CommitsFile::create(directory, said).expect("made")),
        ];
        steps[..=step].iter().for_each(|step| step());
    }

    #[test]
    fn a_repair_that_ends_between_any_two_steps_is_ended_by_the_next_start() {
        for step in 0..STEPS {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path();
            damaged(path);
            // All of a repair, taken back to just before its first move.
            let repaired = Store::repair(path, NODE_ID).expect("repaired");
            assert_eq!((repaired.saved, exists(path, REPLACEMENT.name)), (2, false));
            let (_, said) = CommitsFile::open(path).expect("read").expect("there");
            fs::rename(path.join(STORE), path.join(UNFINISHED)).expect("renamed");
            for name in [STORE, commits_file::FILE_NAME] {
                fs::rename(path.join("damaged-1").join(name), path.join(name)).expect("renamed");
            }
            stop_after(path, step, said);

            let (mut store, opened) = Store::open(path, NODE_ID).expect("it is ended");
            assert_eq!(opened.standing, Standing { whole: false, stale: true }, "after step {step}");
            assert_eq!(store.load(1, &LoadProgress::default(), |_, _| {}).ok(), Some(2), "after step {step}");
            assert!(!exists(path, UNFINISHED) && !exists(path, REPLACEMENT.name));
            for name in [STORE, commits_file::FILE_NAME] {
                assert!(path.join("damaged-1").join(name).exists(), "{name} after step {step}");
            }
        }
    }

    #[test]
    fn a_repair_after_one_that_did_not_end_ends_it_and_finds_nothing_damaged() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        damaged(path);
        Store::repair(path, NODE_ID).expect("repaired");
        let (_, said) = CommitsFile::open(path).expect("read").expect("there");
        fs::rename(path.join(STORE), path.join(UNFINISHED)).expect("renamed");
        fs::remove_file(path.join(commits_file::FILE_NAME)).expect("removed");
        stop_after(path, 0, said);
        let again = Store::repair(path, NODE_ID).expect("ended");
        assert_eq!((again.set_aside, again.saved), (None, 2));
    }

    #[test]
    fn what_a_process_left_that_ended_too_early_is_removed_by_the_next_start_that_finds_the_store_whole() {
        for is_damaged in [false, true] {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path();
            damaged(path);
            let set_aside = Store::repair(path, NODE_ID).expect("repaired").set_aside;
            let (mut store, _) = Store::open(path, NODE_ID).expect("whole");
            // As a kill leaves it: nobody discards it.
            drop(store.begin_anew(&record(100)).expect("begun"));
            drop(store);
            assert!(exists(path, UNFINISHED));
            if is_damaged {
                let (mut commits, said) = CommitsFile::open(path).expect("read").expect("there");
                commits.write(Said { commit: said.commit + 1, ..said }).expect("written");
            }
            let opened = Store::open(path, NODE_ID);
            assert_eq!((opened.is_ok(), exists(path, UNFINISHED)), (!is_damaged, is_damaged));
            if let Ok((mut store, _)) = opened {
                assert_eq!(store.load(1, &LoadProgress::default(), |_, _| {}).ok(), Some(2));
            }
            assert!(set_aside.is_some_and(|aside| aside.join(STORE).exists()));
        }
    }

    #[test]
    fn an_attempt_that_cannot_write_down_what_it_replaces_leaves_no_second_store() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        damaged(path);
        let in_the_way = path.join(format!("{}.new", REPLACEMENT.name));
        fs::create_dir(&in_the_way).expect("made");
        Store::repair(path, NODE_ID).expect_err("nothing can be written down");
        assert!(exists(path, STORE) && !exists(path, UNFINISHED) && !exists(path, "damaged-1"));
        fs::remove_dir(&in_the_way).expect("removed");
        assert_eq!(Store::repair(path, NODE_ID).expect("repaired").saved, 2);

        let (mut store, _) = Store::open(path, NODE_ID).expect("whole");
        fs::create_dir(&in_the_way).expect("made");
        let fresh = store.begin_anew(&record(100)).expect("begun");
        store.replace_by(fresh).expect_err("nothing can be written down");
        assert!(exists(path, STORE) && !exists(path, UNFINISHED) && !exists(path, "damaged-2"));
        fs::remove_dir(&in_the_way).expect("removed");
        let fresh = store.begin_anew(&record(100)).expect("begun");
        let aside = store.replace_by(fresh).expect("replaced");
        assert_eq!(aside, path.join("damaged-2"));
    }
}
