//! A file of /proc that is opened before the load and read again and again: at EMFILE it could not
//! be opened any more.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, pread};

/// No file of ours is longer; what is, is cut.
const LIMIT: usize = 256 << 10;
const CHUNK: usize = 16 << 10;

/// An open file. One descriptor.
#[derive(Debug)]
pub(super) struct Kept(OwnedFd);

impl Kept {
    /// Opens it; else says why not.
    pub(super) fn open(path: &str) -> Result<Self, String> {
        open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map(Self).map_err(reason)
    }

    /// Its text as it is now; `None` when it cannot be read (any more).
    pub(super) fn text(&self) -> Option<String> {
        let (mut bytes, mut filled) = (vec![0; CHUNK], 0);
        while filled < LIMIT {
            match pread(&self.0, &mut bytes[filled..], filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(Errno::INTR) => {}
                Err(_) => return None,
            }
            if filled == bytes.len() {
                bytes.resize(filled + CHUNK, 0);
            }
        }
        bytes.truncate(filled.min(LIMIT));
        String::from_utf8(bytes).ok()
    }
}

/// Text of a file that is read once, before the load.
pub(super) fn read_once(path: &str) -> Result<String, String> {
    Kept::open(path)?.text().ok_or_else(|| "it cannot be read".into())
}

fn reason(errno: Errno) -> String {
    match errno {
        Errno::NOENT => "not on this system, or its kernel module is not loaded".into(),
        Errno::ACCESS | Errno::PERM => "needs root".into(),
        other => {
            let errno = crate::sys::errno(other);
            format!("{} ({})", errno.meaning(), errno.symbol())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_is_read_again_from_its_beginning() {
        let kept = Kept::open("/proc/self/stat").unwrap();
        let name = |text: String| text.split(' ').next().map(str::to_owned);
        let first = kept.text().and_then(name);
        assert_eq!(first, Some(std::process::id().to_string()));
        assert_eq!(kept.text().and_then(name), first);
    }

    #[test]
    fn what_is_missing_says_why_and_what_is_long_is_cut() {
        assert!(Kept::open("/proc/no/such/file").unwrap_err().starts_with("not on this system"));
        let path = std::env::temp_dir().join(format!("inrush-kept-{}", std::process::id()));
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(&vec![b'x'; LIMIT + 5]).unwrap();
        let kept = Kept::open(path.to_str().unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(kept.text().unwrap().len(), LIMIT);
    }
}
