//! glibc's allocator, told that this is a small board: without it every thread that ever encodes
//! a picture keeps an arena of its own, and a daemon's resident memory doubles.

/// At most two arenas, and freed memory goes back to the system early. Call it before the first
/// thread is started. Elsewhere than on glibc it does nothing.
pub fn tune_for_small_boards() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // `mallopt` only sets numbers of the allocator and is safe to call at any time; the `libc`
    // crate declares every foreign function unsafe.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 128 << 10);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
    }
}

/// Gives back what is free now, after a burst of work that will not come again soon.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // As above; `malloc_trim` takes the allocator's own locks.
    #[allow(unsafe_code)]
    unsafe {
        libc::malloc_trim(0);
    }
}
