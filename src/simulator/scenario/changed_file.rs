//! One file that the agent's branch changes: a path, or a table with status and counts.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A changed file as the files list of a pull request shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangedFile {
    pub path: String,
    pub status: FileStatus,
    pub additions: u64,
    pub deletions: u64,
    pub previous_path: Option<String>,
}

impl ChangedFile {
    /// A small edit of an existing file.
    pub(crate) fn modified(path: &str) -> ChangedFile {
        ChangedFile {
            path: path.to_owned(),
            status: FileStatus::Modified,
            additions: 4,
            deletions: 2,
            previous_path: None,
        }
    }
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileStatus {
    Added,
    Removed,
    #[default]
    Modified,
    Renamed,
}

impl FileStatus {
    /// GitHub's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            FileStatus::Added => "added",
            FileStatus::Removed => "removed",
            FileStatus::Modified => "modified",
            FileStatus::Renamed => "renamed",
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    path: String,
    status: Option<FileStatus>,
    additions: Option<u64>,
    deletions: Option<u64>,
    previous_path: Option<String>,
}

impl<'de> Deserialize<'de> for ChangedFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ChangedFile, D::Error> {
        deserializer.deserialize_any(FileVisitor)
    }
}

struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = ChangedFile;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a path, or a table with path, status, additions, deletions")
    }

    fn visit_str<E: Error>(self, path: &str) -> Result<ChangedFile, E> {
        Ok(ChangedFile::modified(path))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ChangedFile, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        let plain = ChangedFile::modified(&table.path);
        Ok(ChangedFile {
            status: table.status.unwrap_or(plain.status),
            additions: table.additions.unwrap_or(plain.additions),
            deletions: table.deletions.unwrap_or(plain.deletions),
            previous_path: table.previous_path,
            path: table.path,
        })
    }
}
