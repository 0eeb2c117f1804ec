//! How many connections and files a process may have open.

use std::io;

/// How many this process may have open, when it has asked for as many as it is allowed; `None` where nothing is known of it.
#[cfg(unix)]
pub(super) fn descriptors() -> Option<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call writes to the struct that it is given, and to nothing else.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return None;
    }
    let wanted = limit.rlim_max.min(ENOUGH).max(limit.rlim_cur);
    let raised = libc::rlimit { rlim_cur: wanted, ..limit };
    // SAFETY: the call reads the struct that it is given, and changes a limit that memory does not depend on.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0;
    usize::try_from(if done { wanted } else { limit.rlim_cur }).ok()
}

/// More than are needed, and no more than any system gives.
#[cfg(unix)]
const ENOUGH: libc::rlim_t = 4096;

/// Nothing is known of it.
#[cfg(not(unix))]
pub(super) fn descriptors() -> Option<usize> {
    None
}

/// Whether an error says that there are too many open, here or on the whole machine, or too little memory for another: all of it passes.
pub(super) fn are_short(error: &io::Error) -> bool {
    #[cfg(unix)]
    let short = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    #[cfg(not(unix))]
    let short = [0; 0];
    error.raw_os_error().is_some_and(|code| short.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_open_files_pass_and_other_errors_do_not() {
        #[cfg(unix)]
        assert!(are_short(&io::Error::from_raw_os_error(libc::EMFILE)));
        assert!(!are_short(&io::ErrorKind::ConnectionAborted.into()));
        assert!(descriptors().is_none_or(|count| count > 0));
    }
}
