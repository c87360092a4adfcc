//! `inrush worker`: a child process of a run or of a server. It inherits its links and starts one
//! loop for each; it is never typed by people.

use inrush_host::sys::limits;
use inrush_host::worker;
use std::ffi::OsString;

/// Runs the loops of this process until their captain has heard their last word.
pub(crate) fn run(arguments: &[OsString]) -> u8 {
    if let Some(code) = crate::verb::repro::stage(arguments) {
        return code;
    }
    let Some(given) = Given::read(arguments) else { return crate::exit::USAGE };
    limits::die_with_parent(given.parent);
    limits::raise_nofile();
    // Without a reserve, EMFILE would also hit what the report needs.
    let _reserve = limits::Reserve::hold(8);
    match worker::run_inherited(&given.controls, given.listener) {
        Ok(()) => crate::exit::HELD,
        Err(_) => crate::exit::OWN_FAILURE,
    }
}

/// Numbers of inherited descriptors, and who started us.
struct Given {
    controls: Vec<i32>,
    listener: Option<i32>,
    parent: u32,
}

impl Given {
    fn read(arguments: &[OsString]) -> Option<Self> {
        let mut given = Self { controls: Vec::new(), listener: None, parent: 0 };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { return None };
            let value = value.to_str()?;
            match name.to_str()? {
                "--control" => {
                    given.controls =
                        value.split(',').map(|n| n.parse().ok()).collect::<Option<_>>()?;
                }
                "--listener" => given.listener = Some(value.parse().ok()?),
                "--parent" => given.parent = value.parse().ok()?,
                _ => return None,
            }
        }
        (!given.controls.is_empty()).then_some(given)
    }
}
