//! The requests of `<dahdi/user.h>` and `<dahdi/wctdm_user.h>`, one safe function each, named as there.
//!
//! The only `unsafe` code of this program. What makes each call sound is the same everywhere: the argument is a
//! `#[repr(C)]` value of exactly the size that the request number carries (asserted below, and compared with the
//! installed header by `tests/dahdi_abi.rs`), it is borrowed for the length of the call, and every bit pattern that the
//! kernel may leave in it is a valid value of its type. The kernel reads and writes no further than that size, but for
//! the vendor's own requests (`_IO` and those on a foreign descriptor), of which none is here.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc;
use nix::{request_code_read, request_code_readwrite, request_code_write};
use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `read` and `write` on a channel fail with this while an event is queued; no C library has a name for it.
pub const ELAST: i32 = 500;

const CODE: u8 = 0xDA;

pub const MAX_DTMF_BUF: usize = 256;
pub const MAX_CADENCE: usize = 16;

/// Arguments of `DAHDI_HOOK`.
pub const ONHOOK: i32 = 0;
pub const OFFHOOK: i32 = 1;
pub const FLASH: i32 = 3;
pub const START: i32 = 4;
pub const RING: i32 = 5;
pub const RINGOFF: i32 = 6;

/// Arguments of `DAHDI_FLUSH`.
pub const FLUSH_READ: i32 = 1;
pub const FLUSH_WRITE: i32 = 2;
pub const FLUSH_EVENT: i32 = 4;
pub const FLUSH_ALL: i32 = 7;

/// Operations of `DAHDI_DIAL`.
pub const DIAL_OP_APPEND: i32 = 1;
pub const DIAL_OP_REPLACE: i32 = 2;
pub const DIAL_OP_CANCEL: i32 = 3;

/// Arguments of `DAHDI_SETLAW`, and `Params::curlaw`.
pub const LAW_DEFAULT: i32 = 0;
pub const LAW_MULAW: i32 = 1;
pub const LAW_ALAW: i32 = 2;

/// Policies of `BufferInfo`.
pub const POLICY_IMMEDIATE: i32 = 0;
pub const POLICY_WHEN_FULL: i32 = 1;
pub const POLICY_HALF_FULL: i32 = 2;

/// `struct dahdi_params`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Params {
    pub channo: i32,
    pub spanno: i32,
    pub chanpos: i32,
    pub sigtype: i32,
    pub sigcap: i32,
    pub rxisoffhook: i32,
    pub rxbits: i32,
    pub txbits: i32,
    pub txhooksig: i32,
    pub rxhooksig: i32,
    pub curlaw: i32,
    pub idlebits: i32,
    pub name: [u8; 40],
    pub prewinktime: i32,
    pub preflashtime: i32,
    pub winktime: i32,
    pub flashtime: i32,
    pub starttime: i32,
    pub rxwinktime: i32,
    pub rxflashtime: i32,
    pub debouncetime: i32,
    pub pulsebreaktime: i32,
    pub pulsemaketime: i32,
    pub pulseaftertime: i32,
    pub chan_alarms: u32,
}

/// `struct dahdi_spaninfo`
#[repr(C, packed)]
#[derive(Clone, Copy)]
pub struct SpanInfo {
    pub spanno: i32,
    pub name: [u8; 20],
    pub desc: [u8; 40],
    pub alarms: i32,
    pub txlevel: i32,
    pub rxlevel: i32,
    pub bpvcount: i32,
    pub crc4count: i32,
    pub ebitcount: i32,
    pub fascount: i32,
    pub fecount: u32,
    pub cvcount: u32,
    pub becount: u32,
    pub prbs: u32,
    pub errsec: u32,
    pub irqmisses: i32,
    pub syncsrc: i32,
    pub numchans: i32,
    pub totalchans: i32,
    pub totalspans: i32,
    pub lbo: i32,
    pub lineconfig: i32,
    pub lboname: [u8; 40],
    pub location: [u8; 40],
    pub manufacturer: [u8; 40],
    pub devicetype: [u8; 40],
    pub irq: i32,
    pub linecompat: i32,
    pub spantype: [u8; 6],
}

/// `struct dahdi_confinfo`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ConfInfo {
    pub chan: i32,
    pub confno: i32,
    pub confmode: i32,
}

/// `struct dahdi_gains`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Gains {
    pub chan: i32,
    pub rxgain: [u8; 256],
    pub txgain: [u8; 256],
}

/// `struct dahdi_chanconfig`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ChanConfig {
    pub chan: i32,
    pub name: [u8; 40],
    pub sigtype: i32,
    pub deflaw: i32,
    pub master: i32,
    pub idlebits: i32,
    pub netdev_name: [u8; 16],
}

/// `struct dahdi_bufferinfo`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct BufferInfo {
    pub txbufpolicy: i32,
    pub rxbufpolicy: i32,
    pub numbufs: i32,
    pub bufsize: i32,
    pub readbufs: i32,
    pub writebufs: i32,
}

/// `struct dahdi_dialparams`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct DialParams {
    pub mfv1_tonelen: i32,
    pub dtmf_tonelen: i32,
    pub mfr2_tonelen: i32,
    pub reserved: [i32; 3],
}

/// `struct dahdi_dialoperation`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DialOperation {
    pub op: i32,
    pub dialstr: [u8; MAX_DTMF_BUF],
}

/// `struct dahdi_ring_cadence`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RingCadence {
    pub ringcadence: [i32; MAX_CADENCE],
}

/// `struct dahdi_versioninfo`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct VersionInfo {
    pub version: [u8; 80],
    pub echo_canceller: [u8; 80],
}

/// `struct dahdi_attach_echocan`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct AttachEchocan {
    pub chan: i32,
    pub echocan: [u8; 16],
}

/// `struct dahdi_dynamic_span`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DynamicSpan {
    pub driver: [u8; 20],
    pub addr: [u8; 40],
    pub numchans: i32,
    pub timing: i32,
    pub spanno: i32,
}

/// `struct dahdi_hwgain`: the header has a bit field of one bit, `tx`, in the second word's lowest bit.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct HwGain {
    /// Tenths of a decibel.
    pub newgain: i32,
    pub tx: u32,
}

/// `struct dahdi_vmwi_info`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct VmwiInfo {
    pub vmwi_type: u32,
}

/// `struct wctdm_stats`, in millivolts.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct WctdmStats {
    pub tipvolt: i32,
    pub ringvolt: i32,
    pub batvolt: i32,
}

const _: () = {
    use std::mem::size_of;
    assert!(size_of::<Params>() == 136);
    assert!(size_of::<SpanInfo>() == 314);
    assert!(size_of::<ConfInfo>() == 12);
    assert!(size_of::<Gains>() == 516);
    assert!(size_of::<ChanConfig>() == 76);
    assert!(size_of::<BufferInfo>() == 24);
    assert!(size_of::<DialParams>() == 24);
    assert!(size_of::<DialOperation>() == 260);
    assert!(size_of::<RingCadence>() == 64);
    assert!(size_of::<VersionInfo>() == 160);
    assert!(size_of::<AttachEchocan>() == 20);
    assert!(size_of::<DynamicSpan>() == 72);
    assert!(size_of::<HwGain>() == 8);
    assert!(size_of::<VmwiInfo>() == 4);
    assert!(size_of::<WctdmStats>() == 12);
};

/// One line a request: what the kernel does with the argument, the function, the header's name, number and type.
macro_rules! requests {
    ($($(#[$doc:meta])* $kind:ident $name:ident = $c_name:ident, $nr:literal, $ty:ty;)*) => {
        /// Every request here: the header's name for it and its number, for the comparison with the header.
        pub const REQUESTS: &[(&str, u64)] = &[$((stringify!($c_name), requests!(@code $kind $nr $ty) as u64),)*];
        $(requests!(@function [$(#[$doc])*] $kind $name $nr $ty);)*
    };
    (@code put $nr:literal $ty:ty) => { request_code_write!(CODE, $nr, size_of::<$ty>()) };
    (@code set $nr:literal $ty:ty) => { request_code_write!(CODE, $nr, size_of::<$ty>()) };
    (@code get $nr:literal $ty:ty) => { request_code_read!(CODE, $nr, size_of::<$ty>()) };
    (@code xchg $nr:literal $ty:ty) => { request_code_readwrite!(CODE, $nr, size_of::<$ty>()) };
    // an int to the kernel, through a pointer all the same
    (@function [$($doc:tt)*] put $name:ident $nr:literal $ty:ty) => {
        $($doc)*
        pub fn $name(fd: BorrowedFd<'_>, mut value: $ty) -> Result<(), Errno> {
            // SAFETY: see the head of this module
            unsafe { call(fd, requests!(@code put $nr $ty), &mut value) }
        }
    };
    // a structure to the kernel; `&mut`, because some drivers write their view of it back
    (@function [$($doc:tt)*] set $name:ident $nr:literal $ty:ty) => {
        $($doc)*
        pub fn $name(fd: BorrowedFd<'_>, value: &mut $ty) -> Result<(), Errno> {
            // SAFETY: see the head of this module
            unsafe { call(fd, requests!(@code set $nr $ty), value) }
        }
    };
    (@function [$($doc:tt)*] get $name:ident $nr:literal $ty:ty) => {
        $($doc)*
        pub fn $name(fd: BorrowedFd<'_>) -> Result<$ty, Errno> {
            let mut value = zeroed::<$ty>();
            // SAFETY: see the head of this module
            unsafe { call(fd, requests!(@code get $nr $ty), &mut value) }.map(|()| value)
        }
    };
    (@function [$($doc:tt)*] xchg $name:ident $nr:literal $ty:ty) => {
        $($doc)*
        pub fn $name(fd: BorrowedFd<'_>, value: &mut $ty) -> Result<(), Errno> {
            // SAFETY: see the head of this module
            unsafe { call(fd, requests!(@code xchg $nr $ty), value) }
        }
    };
}

requests! {
    put flush = DAHDI_FLUSH, 3, c_int;
    /// `_IOWR`: the same number as `_IOR` is the old form of this request.
    xchg get_params_of = DAHDI_GET_PARAMS, 5, Params;
    /// Timers only; the kernel ignores the rest.
    set set_params = DAHDI_SET_PARAMS, 5, Params;
    put hook = DAHDI_HOOK, 7, c_int;
    /// One event, 0 when there is none.
    get getevent = DAHDI_GETEVENT, 8, c_int;
    xchg iomux = DAHDI_IOMUX, 9, c_int;
    /// Of span `spanno`; of the channel's own span when that is 0.
    xchg spanstat_of = DAHDI_SPANSTAT, 10, SpanInfo;
    xchg setconf = DAHDI_SETCONF, 13, ConfInfo;
    xchg getgains_of = DAHDI_GETGAINS, 16, Gains;
    set setgains = DAHDI_SETGAINS, 16, Gains;
    set chanconfig = DAHDI_CHANCONFIG, 19, ChanConfig;
    put confmute = DAHDI_CONFMUTE, 20, c_int;
    put sendtone = DAHDI_SENDTONE, 21, c_int;
    get gettonezone = DAHDI_GETTONEZONE, 22, c_int;
    put settonezone = DAHDI_SETTONEZONE, 22, c_int;
    /// On `/dev/dahdi/ctl`, as `dahdi_cfg` loads and frees zones.
    put freezone = DAHDI_FREEZONE, 26, c_int;
    get get_bufinfo = DAHDI_GET_BUFINFO, 27, BufferInfo;
    set set_bufinfo = DAHDI_SET_BUFINFO, 27, BufferInfo;
    get get_dialparams = DAHDI_GET_DIALPARAMS, 29, DialParams;
    set dial = DAHDI_DIAL, 31, DialOperation;
    put audiomode = DAHDI_AUDIOMODE, 32, c_int;
    /// Taps; 0 is off. Without a canceller attached it does nothing, and says nothing.
    put echocancel = DAHDI_ECHOCANCEL, 33, c_int;
    get channo = DAHDI_CHANNO, 34, c_int;
    get dialing = DAHDI_DIALING, 35, c_int;
    put specify = DAHDI_SPECIFY, 38, c_int;
    put setlaw = DAHDI_SETLAW, 39, c_int;
    put setlinear = DAHDI_SETLINEAR, 40, c_int;
    set setcadence = DAHDI_SETCADENCE, 42, RingCadence;
    get getrxbits = DAHDI_GETRXBITS, 43, c_int;
    put echotrain = DAHDI_ECHOTRAIN, 50, c_int;
    put onhooktransfer = DAHDI_ONHOOKTRANSFER, 51, c_int;
    get getversion = DAHDI_GETVERSION, 57, VersionInfo;
    /// On `/dev/dahdi/ctl`.
    set attach_echocan = DAHDI_ATTACH_ECHOCAN, 59, AttachEchocan;
    get wctdm_get_stats = WCTDM_GET_STATS, 60, WctdmStats;
    xchg dynamic_create = DAHDI_DYNAMIC_CREATE, 80, DynamicSpan;
    set dynamic_destroy = DAHDI_DYNAMIC_DESTROY, 81, DynamicSpan;
    set set_hwgain = DAHDI_SET_HWGAIN, 86, HwGain;
    put tonedetect = DAHDI_TONEDETECT, 91, c_int;
    put setpolarity = DAHDI_SETPOLARITY, 92, c_int;
    xchg vmwi = DAHDI_VMWI, 94, c_int;
    set vmwi_config = DAHDI_VMWI_CONFIG, 95, VmwiInfo;
    put echocancel_fax_mode = DAHDI_ECHOCANCEL_FAX_MODE, 102, c_int;
    put buffer_events = DAHDI_BUFFER_EVENTS, 105, c_int;
}

pub fn get_params(fd: BorrowedFd<'_>) -> Result<Params, Errno> {
    let mut p = zeroed();
    get_params_of(fd, &mut p).map(|()| p)
}

/// Of span `spanno`, or with 0 of the span that the channel `fd` belongs to.
pub fn spanstat(fd: BorrowedFd<'_>, spanno: i32) -> Result<SpanInfo, Errno> {
    let mut s: SpanInfo = zeroed();
    s.spanno = spanno;
    spanstat_of(fd, &mut s).map(|()| s)
}

/// Of the channel that `fd` is.
pub fn getgains(fd: BorrowedFd<'_>) -> Result<Gains, Errno> {
    let mut g = zeroed();
    getgains_of(fd, &mut g).map(|()| g)
}

/// Puts the calling thread under `SCHED_FIFO`: not a request of DAHDI's, but the other thing that needs `unsafe`.
pub fn realtime(priority: i32) -> Result<(), Errno> {
    let param = libc::sched_param { sched_priority: priority };
    // SAFETY: 0 is the calling thread, and the kernel only reads `param`
    Errno::result(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &param) }).map(drop)
}

/// The kernel's `char name[N]` as text: up to the first NUL.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Text as a `char name[N]`, cut to leave the final NUL.
pub fn chars<const N: usize>(text: &str) -> [u8; N] {
    let mut c = [0; N];
    let n = text.len().min(N.saturating_sub(1));
    c[..n].copy_from_slice(&text.as_bytes()[..n]);
    c
}

/// Types of which every bit pattern is a value: integers and arrays of them.
trait Plain: Copy {}
impl Plain for c_int {}
macro_rules! plain { ($($ty:ty),* $(,)?) => { $(impl Plain for $ty {})* } }
plain!(Params, SpanInfo, ConfInfo, Gains, ChanConfig, BufferInfo, DialParams, DialOperation, RingCadence);
plain!(VersionInfo, AttachEchocan, DynamicSpan, HwGain, VmwiInfo, WctdmStats);

fn zeroed<T: Plain>() -> T {
    // SAFETY: every bit pattern of a `Plain` type is a value, zero too
    unsafe { std::mem::zeroed() }
}

/// # Safety
/// `request` carries the size of `T`, and the kernel writes nothing else through the pointer.
unsafe fn call<T: Plain>(fd: BorrowedFd<'_>, request: libc::c_ulong, value: &mut T) -> Result<(), Errno> {
    // SAFETY: the caller's promise
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), request as _, value as *mut T) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_numbers_are_those_measured_on_a_running_kernel() {
        let number = |name: &str| REQUESTS.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
        assert_eq!(number("DAHDI_SPECIFY"), Some(0x4004_da26));
        assert_eq!(number("DAHDI_GET_PARAMS"), Some(0xc088_da05));
        assert_eq!(number("DAHDI_GETEVENT"), Some(0x8004_da08));
        assert_eq!(number("DAHDI_SPANSTAT"), Some(0xc13a_da0a));
        assert_eq!(number("DAHDI_DIAL"), Some(0x4104_da1f));
        assert_eq!(number("WCTDM_GET_STATS"), Some(0x800c_da3c));
    }

    #[test]
    fn names_go_in_and_out_of_fixed_arrays_with_their_final_nul() {
        assert_eq!(text(&chars::<16>("mg2")), "mg2");
        assert_eq!(text(&chars::<4>("oslec")), "osl");
        assert_eq!(text(b"full"), "full");
    }
}
