//! Operations by name, through torch's dispatcher.

use std::ffi::CString;

use super::{
    launches,
    library::{Handle, library},
    tensor::{Number, Place, Tensor, check},
};

/// An argument of an operation.
#[derive(Clone, Copy)]
pub(super) enum Argument<'a> {
    Tensor(&'a Tensor),
    Int(i64),
    Bool(bool),
    Float(f64),
    Bools(&'a [bool]),
    Ints(&'a [i64]),
    Number(Number),
    Text(&'a str),
    Tensors(&'a [Tensor]),
    None,
    /// An optional argument that is there.
    Some(&'a Argument<'a>),
}

/// Slots of the stack that the dispatcher reads. It reads as many as the running torch's operation has arguments, so one that has
/// gained some finds zeros, which are `None`.
const SLOTS: usize = 32;

impl Argument<'_> {
    /// Where it is, if it is a tensor.
    fn place(&self) -> Option<Place> {
        match self {
            Self::Tensor(tensor) => Some(tensor.place()),
            Self::Tensors(tensors) => tensors.first().map(Tensor::place),
            _ => None,
        }
    }

    /// As the dispatcher takes it; it then owns what this refers to.
    fn value(self) -> u64 {
        let library = library();
        let mut handle = std::ptr::null_mut();
        match self {
            // SAFETY: each of these makes something new that the dispatcher will own.
            Self::Tensor(tensor) => check(unsafe { (library.new_handle)(tensor.raw(), &mut handle) }, "tensor"),
            Self::Text(text) => {
                // SAFETY: as above.
                check(unsafe { (library.new_string)(text.as_ptr().cast(), text.len(), &mut handle) }, "text");
            }
            Self::Ints(ints) => return list(ints.iter().map(|&int| Self::Int(int))),
            Self::Tensors(tensors) => return list(tensors.iter().map(Self::Tensor)),
            Self::Bools(bools) => return list(bools.iter().map(|&bool| Self::Bool(bool))),
            Self::Int(int) => return int as u64,
            Self::Float(float) => return float.to_bits(),
            Self::Bool(bool) => return bool.into(),
            Self::Number(number) => return u64::from(number.code() as u32),
            Self::None => return 0,
            Self::Some(inner) => {
                let mut place: *mut u64 = std::ptr::null_mut();
                match library.new_value {
                    // SAFETY: it gives a place for one value.
                    Some(new_value) => check(unsafe { new_value(&mut place) }, "optional"),
                    // SAFETY: before 2.13 the callee frees it with C++ `delete`, which is `free` where torch has wheels.
                    None => place = unsafe { malloc(size_of::<u64>()) }.cast(),
                }
                // SAFETY: the place is for one value.
                unsafe { place.write(inner.value()) };
                return place as u64;
            }
        }
        handle as u64
    }
}

unsafe extern "C" {
    fn malloc(bytes: usize) -> *mut std::ffi::c_void;
}

fn list<'a>(items: impl ExactSizeIterator<Item = Argument<'a>>) -> u64 {
    let (library, mut handle) = (library(), std::ptr::null_mut());
    // SAFETY: a new list, which the dispatcher will own with all that is in it.
    check(unsafe { (library.new_list)(items.len(), &mut handle) }, "list");
    for item in items {
        // SAFETY: as above.
        check(unsafe { (library.push)(handle, item.value()) }, "list");
    }
    handle as u64
}

/// Calls `aten::name`, or `aten::name.overload`: what it gives, of which the first `R` are tensors, and where it was computed.
fn called<const R: usize>(name: &str, arguments: &[Argument]) -> ([Handle; R], Place) {
    let (operation, overload) = name.split_once('.').unwrap_or((name, ""));
    let text = |text: String| CString::new(text).expect("operations have no NUL in their names");
    let (full, overload) = (text(format!("aten::{operation}")), text(overload.to_owned()));
    let mut stack = [0; SLOTS];
    stack.iter_mut().zip(arguments).for_each(|(slot, argument)| *slot = argument.value());
    let library = library();
    launches::count(name);
    // SAFETY: the stack holds the operation's arguments in order, and has room for more than any operation has.
    let status = unsafe { (library.call)(full.as_ptr(), overload.as_ptr(), stack.as_mut_ptr(), library.abi()) };
    check(status, name);
    let place = arguments.iter().find_map(Argument::place).expect("an operation has a tensor among its arguments");
    (std::array::from_fn(|at| stack[at] as Handle), place)
}

/// Calls an operation whose `R` results are tensors.
pub(super) fn call<const R: usize>(name: &str, arguments: &[Argument]) -> [Tensor; R] {
    let (handles, place) = called(name, arguments);
    handles.map(|handle| Tensor::owning(handle, place))
}

/// The same with one result.
pub(super) fn one(name: &str, arguments: &[Argument]) -> Tensor {
    let [result] = call(name, arguments);
    result
}

/// The same where a second result is left out.
pub(super) fn first(name: &str, arguments: &[Argument]) -> Tensor {
    let ([handle, left_out], place) = called(name, arguments);
    drop(Tensor::left_out(left_out, place));
    Tensor::owning(handle, place)
}

/// The tensors of an operation that gives a list of them.
pub(super) fn list_of(name: &str, arguments: &[Argument]) -> Vec<Tensor> {
    let ([list], place) = called(name, arguments);
    let (library, mut len) = (library(), 0);
    // SAFETY: the list was given, and is read and then deleted once.
    unsafe { check((library.list_len)(list, &mut len), "list") };
    let tensor = |at: usize| {
        let mut item = 0;
        // SAFETY: there are as many items; each is a tensor that is given.
        unsafe { check((library.list_item)(list, at, &mut item), "list") };
        Tensor::owning(item as Handle, place)
    };
    let tensors = (0..len).map(tensor).collect();
    // SAFETY: as above.
    check(unsafe { (library.delete_list)(list) }, "list");
    tensors
}
