//! Unpacks the node probe into memory and becomes it.
//!
//! One key of a ConfigMap holds a megabyte; the probe is two. This program lies beside the packed
//! probe (`part.0`, `part.1` …), joins the parts, unpacks them into a file in memory and executes
//! that. It opens nothing else, writes nothing, and asks the network nothing. All that is unsafe in
//! pulldoctor is here: there is no library beneath.
#![no_std]
#![no_main]

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("the stub is written for x86_64 Linux");

mod lzma;
mod system;

use core::panic::PanicInfo;

/// Most bytes of all parts, and most of the program that they unpack to.
const MOST_PACKED: usize = 8 << 20;
const MOST_UNPACKED: usize = 32 << 20;
/// Most parts: one digit.
const MOST_PARTS: u8 = 10;
/// Most bytes of a path.
const MOST_PATH: usize = 256;

/// The exit code of whatever stands in the way (`EX_SOFTWARE`).
const FAILED: usize = 70;

/// Where the assembly at the program's start leads.
extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: The kernel leaves argc there, then as many pointers and a null (argv), then the
    // pointers of the environment and a null.
    let (argv, envp, name) = unsafe {
        let count = *stack;
        let argv = stack.add(1);
        (argv, argv.add(count + 1), *argv as *const u8)
    };
    let mut path = [0; MOST_PATH];
    let Some(folder) = folder_of(name, &mut path) else {
        fail(b"find its folder");
    };
    let Some(packed) = read_parts(&mut path, folder) else {
        fail(b"read its parts");
    };
    let size = lzma::unpacked_size(packed).filter(|size| (1..=MOST_UNPACKED).contains(size));
    let Some((file, program)) = size.and_then(system::memory_file) else {
        fail(b"make a file in memory");
    };
    if !lzma::unpack(packed, program) {
        fail(b"unpack the probe");
    }
    system::unmap(program);
    // SAFETY: Both lists are the kernel's, untouched.
    unsafe { system::become_program(file, argv, envp) };
    fail(b"execute a file in memory");
}

/// Copies the folder of this program with its last slash; returns its length.
fn folder_of(name: *const u8, path: &mut [u8; MOST_PATH]) -> Option<usize> {
    if name.is_null() {
        return None;
    }
    let mut folder = None;
    // Room is left for `part.N` and the zero byte.
    for (at, place) in path.iter_mut().enumerate().take(MOST_PATH - 8) {
        // SAFETY: argv[0] ends with a zero byte, at which the loop ends.
        let byte = unsafe { *name.add(at) };
        if byte == 0 {
            return folder;
        }
        *place = byte;
        if byte == b'/' {
            folder = Some(at + 1);
        }
    }
    None
}

fn read_parts(path: &mut [u8; MOST_PATH], folder: usize) -> Option<&'static [u8]> {
    let memory = system::memory(MOST_PACKED)?;
    let mut length = 0;
    for part in 0..MOST_PARTS {
        path[folder..folder + 5].copy_from_slice(b"part.");
        path[folder + 5] = b'0' + part;
        path[folder + 6] = 0;
        let Ok(file) = usize::try_from(system::open(&path[..folder + 7])) else {
            break;
        };
        loop {
            let count = usize::try_from(system::read(file, &mut memory[length..])).ok()?;
            if count == 0 {
                break;
            }
            length += count;
        }
        system::close(file);
    }
    (length > 0 && length < MOST_PACKED).then(|| &memory[..length])
}

fn fail(what: &[u8]) -> ! {
    system::say(b"pulldoctor-probe: cannot ");
    system::say(what);
    system::say(b"\n");
    system::exit(FAILED)
}

#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    fail(b"go on, a fault of its own")
}
