//! One of two things that stand for the same: the processor's, or torch's.

/// The processor's, or torch's.
#[derive(Clone, Debug)]
pub enum Either<C, T> {
    /// The processor's.
    Cpu(C),
    /// Torch's.
    Torch(T),
}

/// An empty buffer is nobody's yet.
impl<C: Default, T> Default for Either<C, T> {
    fn default() -> Self {
        Self::Cpu(C::default())
    }
}

/// What is made on one backend stays on it.
const MIXED: &str = "a buffer of one device on another";

impl<C, T> Either<C, T> {
    /// The processor's.
    ///
    /// # Panics
    /// Where it is torch's.
    #[inline]
    pub(super) fn cpu(&self) -> &C {
        match self {
            Self::Cpu(of) => of,
            Self::Torch(_) => panic!("{MIXED}"),
        }
    }

    /// Torch's.
    ///
    /// # Panics
    /// Where it is the processor's.
    pub(super) fn torch(&self) -> &T {
        match self {
            Self::Torch(of) => of,
            Self::Cpu(_) => panic!("{MIXED}"),
        }
    }

    /// See [`Either::torch`].
    pub(super) fn torch_mut(&mut self) -> &mut T {
        match self {
            Self::Torch(of) => of,
            Self::Cpu(_) => panic!("{MIXED}"),
        }
    }

    /// See [`Either::cpu`].
    #[inline]
    pub(super) fn cpu_mut(&mut self) -> &mut C {
        match self {
            Self::Cpu(of) => of,
            Self::Torch(_) => panic!("{MIXED}"),
        }
    }
}

impl<C, T: Default> Either<C, T> {
    /// Torch's, to be written to: an empty one where it was nobody's.
    pub(super) fn torch_out(&mut self) -> &mut T {
        if let Self::Cpu(_) = self {
            *self = Self::Torch(T::default());
        }
        match self {
            Self::Torch(of) => of,
            Self::Cpu(_) => unreachable!("it was replaced"),
        }
    }
}
