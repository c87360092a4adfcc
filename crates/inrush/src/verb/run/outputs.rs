//! Files a run writes. Each is opened before the load, so that an unwritable path is told before
//! the first packet and running out of descriptors never loses a result. A document has a temporary
//! name until it is whole; lines stand under their own name from the first.

use crate::cli::run::Sink;
use crate::exit;
use crate::show::error::Problem;
use crate::show::out;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// One document's place.
#[derive(Debug)]
pub(crate) struct Output {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Stdout,
    File {
        file: File,
        temporary: PathBuf,
        path: PathBuf,
    },
    /// Lines that are read while they come, a pipe, a device: written as it is.
    Stream {
        file: File,
        path: PathBuf,
    },
}

impl Output {
    /// Opens it.
    pub(crate) fn open(sink: Sink) -> Result<Self, Problem> {
        let path = match sink {
            Sink::Stdout => return Ok(Self { place: Place::Stdout }),
            Sink::File(path) => path,
        };
        let special = std::fs::metadata(&path).is_ok_and(|meta| !meta.is_file());
        let place = if special {
            let file =
                File::options().write(true).open(&path).map_err(|e| unwritable(&path, &e))?;
            Place::Stream { file, path }
        } else {
            let temporary = beside(&path);
            let file = File::create(&temporary).map_err(|error| unwritable(&path, &error))?;
            Place::File { file, temporary, path }
        };
        Ok(Self { place })
    }

    /// Opens it under its own name from the beginning, for lines that are read while they come.
    pub(crate) fn stream(sink: Sink) -> Result<Self, Problem> {
        let Sink::File(path) = sink else { return Self::open(sink) };
        let file = File::create(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(Self { place: Place::Stream { file, path } })
    }

    /// Writes the whole document and gives it its name.
    pub(crate) fn write(self, text: &str) -> Result<(), Problem> {
        let mut this = self;
        this.append(text)?;
        this.finish()
    }

    /// Writes a part of it.
    pub(crate) fn append(&mut self, text: &str) -> Result<(), Problem> {
        let (result, path) = match &mut self.place {
            Place::Stdout => (out::print(text), Path::new("-")),
            Place::File { file, path, .. } | Place::Stream { file, path } => {
                (file.write_all(text.as_bytes()), path.as_path())
            }
        };
        result.map_err(|error| unwritable(path, &error))
    }

    /// Gives it its name.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        match &self.place {
            Place::File { temporary, path, .. } => {
                let done = std::fs::rename(temporary, path).map_err(|e| unwritable(path, &e));
                self.place = Place::Stdout;
                done
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Place::File { temporary, .. } = &self.place {
            // It was never finished; what is half written helps nobody.
            let _ = std::fs::remove_file(temporary);
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    Problem {
        code: "output",
        exit_code: exit::OWN_FAILURE,
        message: format!("cannot write '{}'", path.display()),
        why: vec![error.to_string()],
        help: vec!["name a file in a directory that exists and is writable".into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_appears_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("run.json");
        let output = Output::open(Sink::File(path.clone())).unwrap();
        assert!(!path.exists());
        drop(output);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        Output::open(Sink::File(path.clone())).unwrap().write("{}").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}");
        let lines = place.path().join("run.ndjson");
        let mut output = Output::stream(Sink::File(lines.clone())).unwrap();
        output.append("{}\n").unwrap();
        assert_eq!(std::fs::read_to_string(&lines).unwrap(), "{}\n");
        drop(output);
        assert!(lines.exists(), "what was told stays told");
        let missing = place.path().join("no/such/place.json");
        assert_eq!(Output::open(Sink::File(missing)).unwrap_err().exit_code, exit::OWN_FAILURE);
    }
}
