//! How a download is followed.

/// Is told how a download advances.
pub trait DownloadProgress {
    /// A file of this many bytes begins, anew or where it was broken off.
    fn start(&self, file: &str, bytes: u64);

    /// So many more of its bytes are here.
    fn advance(&self, bytes: u64);
}
