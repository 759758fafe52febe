//! The system, called directly. Every unsafe block of the stub is here or in `main.rs`.

use core::arch::{asm, global_asm};

const READ: usize = 0;
const WRITE: usize = 1;
const OPEN: usize = 2;
const CLOSE: usize = 3;
const MMAP: usize = 9;
const MUNMAP: usize = 11;
const FTRUNCATE: usize = 77;
const EXIT_GROUP: usize = 231;
const MEMFD_CREATE: usize = 319;
const EXECVEAT: usize = 322;

const O_CLOEXEC: usize = 0o2_000_000;
const PROT_READ_WRITE: usize = 1 | 2;
const MAP_SHARED: usize = 1;
const MAP_PRIVATE_ANONYMOUS: usize = 2 | 0x20;
const MFD_CLOEXEC: usize = 1;
const MFD_EXEC: usize = 0x10;
const AT_EMPTY_PATH: usize = 0x1000;
const EINTR: isize = -4;

// The kernel enters with argc, argv and envp on the stack, and no return address.
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {begin}",
    "ud2",
    begin = sym crate::begin,
);

/// A system call.
///
/// # Safety
///
/// As for the call itself: pointers among the arguments must be good for what it does with them.
unsafe fn call(number: usize, arguments: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: The registers are those of the x86_64 system call convention; rcx and r11 are the two
    // that the kernel overwrites. What the call does to memory is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            in("r9") arguments[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// An open file, or the negative error number.
pub(crate) fn open(path: &[u8]) -> isize {
    if path.last() != Some(&0) {
        return -1;
    }
    // SAFETY: The path ends with a zero byte, checked above, and is only read.
    unsafe { call(OPEN, [path.as_ptr() as usize, O_CLOEXEC, 0, 0, 0, 0]) }
}

pub(crate) fn close(file: usize) {
    // SAFETY: No pointer is passed, and nobody uses the number afterwards.
    unsafe { call(CLOSE, [file, 0, 0, 0, 0, 0]) };
}

/// Reads into the buffer; how many bytes, or the negative error number.
pub(crate) fn read(file: usize, buffer: &mut [u8]) -> isize {
    loop {
        // SAFETY: The kernel writes at most the buffer's length into the buffer.
        let count = unsafe {
            call(
                READ,
                [file, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0],
            )
        };
        if count != EINTR {
            return count;
        }
    }
}

/// Says something on standard error.
pub(crate) fn say(text: &[u8]) {
    // SAFETY: The text is only read.
    unsafe { call(WRITE, [2, text.as_ptr() as usize, text.len(), 0, 0, 0]) };
}

pub(crate) fn exit(code: usize) -> ! {
    loop {
        // SAFETY: No pointer is passed.
        unsafe { call(EXIT_GROUP, [code, 0, 0, 0, 0, 0]) };
    }
}

/// Memory of its own, all zero, for as long as the program runs.
pub(crate) fn memory(length: usize) -> Option<&'static mut [u8]> {
    map(length, MAP_PRIVATE_ANONYMOUS, usize::MAX)
}

fn map(length: usize, flags: usize, file: usize) -> Option<&'static mut [u8]> {
    // SAFETY: The kernel chooses a free address, so nothing that is in use is touched.
    let address = unsafe { call(MMAP, [0, length, PROT_READ_WRITE, flags, file, 0]) };
    let address = usize::try_from(address).ok().filter(|at| *at != 0)?;
    // SAFETY: The mapping is `length` bytes long, readable, writable and initialised by the kernel,
    // and nobody else has its address. It is unmapped only by `unmap`, which takes it back.
    Some(unsafe { core::slice::from_raw_parts_mut(address as *mut u8, length) })
}

/// A file in memory of this length, and its content.
pub(crate) fn memory_file(length: usize) -> Option<(usize, &'static mut [u8])> {
    let name = b"pulldoctor-probe\0";
    let create = |flags: usize| {
        // SAFETY: The name ends with a zero byte and is only read.
        unsafe { call(MEMFD_CREATE, [name.as_ptr() as usize, flags, 0, 0, 0, 0]) }
    };
    // Kernels before 6.3 do not know that a file may be asked to be executable, nor need to be.
    let mut file = create(MFD_CLOEXEC | MFD_EXEC);
    if file < 0 {
        file = create(MFD_CLOEXEC);
    }
    let file = usize::try_from(file).ok()?;
    // SAFETY: No pointer is passed.
    let sized = unsafe { call(FTRUNCATE, [file, length, 0, 0, 0, 0]) };
    if sized < 0 {
        return None;
    }
    Some((file, map(length, MAP_SHARED, file)?))
}

/// Takes memory back. A file that is mapped for writing cannot be executed.
pub(crate) fn unmap(memory: &'static mut [u8]) {
    // SAFETY: The one reference to the mapping is given up here.
    unsafe { call(MUNMAP, [memory.as_ptr() as usize, memory.len(), 0, 0, 0, 0]) };
}

/// Becomes the program in an open file. Returns only where that fails, with the error number.
///
/// # Safety
///
/// Both lists must be those that the kernel gave this program.
pub(crate) unsafe fn become_program(file: usize, argv: *const usize, envp: *const usize) -> isize {
    let empty = b"\0";
    // SAFETY: The empty path ends with a zero byte; the lists are the kernel's own, as promised.
    unsafe {
        call(
            EXECVEAT,
            [
                file,
                empty.as_ptr() as usize,
                argv as usize,
                envp as usize,
                AT_EMPTY_PATH,
                0,
            ],
        )
    }
}

// What the compiler may call for copies, which the C library has otherwise. String instructions,
// since a loop would be compiled into a call of the very function.

/// # Safety
///
/// As C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: The caller promises `count` good bytes at both places, which do not overlap.
    unsafe {
        asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    to
}

/// # Safety
///
/// As C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= count {
        // SAFETY: The target does not begin inside the source, so copying upwards is right.
        return unsafe { memcpy(to, from, count) };
    }
    // SAFETY: As above, downwards from the last byte; the direction is restored as every function
    // may expect it. `count` is not zero here.
    unsafe {
        asm!("std", "rep movsb", "cld", inout("rcx") count => _,
            inout("rdi") to.add(count - 1) => _, inout("rsi") from.add(count - 1) => _,
            options(nostack));
    }
    to
}

/// # Safety
///
/// As C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    // SAFETY: The caller promises `count` good bytes.
    unsafe {
        asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") byte.to_le_bytes()[0],
            options(nostack, preserves_flags));
    }
    to
}

/// # Safety
///
/// As C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, count: usize) -> i32 {
    let mut at = 0;
    while at < count {
        // SAFETY: The caller promises `count` good bytes at both places. Volatile, so that the loop
        // is not compiled into a call of this function.
        let (left, right) = unsafe {
            (
                core::ptr::read_volatile(one.add(at)),
                core::ptr::read_volatile(other.add(at)),
            )
        };
        if left != right {
            return i32::from(left) - i32::from(right);
        }
        at += 1;
    }
    0
}
