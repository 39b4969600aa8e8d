//! What generated glue runs on.
//!
//! The glue of a workflow is one function over numbered states. A state runs the workflow's own
//! code from one outcome to the next calls, and gives the [`Continuation`]. It runs before the
//! commit, in the function whose result it uses, and never waits.
//!
//! Variables live in the machine between states: as values when a state goes straight on to
//! another, encoded when they travel. A variable of an enclosing fan-out is read from its frame.

use std::any::Any;

use bytes::Bytes;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    codec,
    definition::{Definition, NodeIndex},
    envelope::{Call, Continuation, Fork, Frame, Value, Vars},
    error::Fault,
    join::WIDTH,
    plain::{OkOrErr, check_first},
    shape::Shapes,
};

/// What can travel between functions: owned, serialisable both ways, and `Send`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel between functions",
    label = "this value travels",
    note = "what a function takes or returns, and every variable that lives across a call, must be owned and serialisable",
    note = "for a type of yours: add `#[derive(Serialize, Deserialize)]`; for a borrow: make it owned (`.to_owned()`, `.clone()`), or use it before the call only"
)]
pub trait Travel: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Travel for T {}

/// A workflow, as `workflow!` makes it of a workflow function.
pub trait Workflow: Send + Sync + 'static {
    /// The workflow function's parameter, or the tuple of its parameters.
    type Input: Travel;
    /// What it returns.
    type Output: Travel;
    /// Its static tables. Their hash is made when they are first asked for.
    fn definition() -> &'static Definition;
    /// Adds the shapes of what its functions take and return.
    #[doc(hidden)]
    fn shapes(shapes: &mut Shapes);
    /// Its code.
    fn code() -> &'static Code;
    /// Runs the workflow function itself, as ordinary Rust in this process.
    fn plain(input: Self::Input) -> LocalBoxFuture<'static, Self::Output>;
}

/// The code that goes with a [`Definition`].
pub struct Code {
    /// The glue.
    pub glue: fn(&mut Machine) -> Result<Step, Fault>,
    /// Per function: how it starts.
    pub functions: &'static [Start],
    /// Per state: the variables that the glue may read from there on, until it ends.
    pub reads: &'static [&'static [u16]],
    /// The variables' names.
    pub vars: &'static [&'static str],
}

/// Decodes a function's arguments and starts it.
#[derive(Clone, Copy)]
pub enum Start {
    /// A function that runs on the arguments of one call, and gives its outcome.
    Call(fn(&[u8]) -> Started<Outcome>),
    /// A function that runs on the arguments of many calls, one value each, and gives their
    /// outcomes in the same order; if the function is wrong, more or fewer.
    Batch(fn(&[Bytes]) -> Started<Vec<Outcome>>),
}

/// A function that runs, unless its arguments could not be decoded.
pub type Started<T> = Result<BoxFuture<'static, T>, Fault>;

/// What a user function returned.
pub struct Outcome {
    /// The value, of the function's return type.
    pub value: Box<dyn Any + Send>,
    /// Whether it is an `Err`.
    pub is_err: bool,
    /// How often the function ran until it returned this.
    pub times: u32,
}

/// What a state of the glue gives.
pub enum Step {
    /// Go on in another state.
    Goto(u16),
    /// The glue has ended.
    Next(Continuation),
    /// The shapes of the variables: the answer in the state [`SHAPES`].
    Shapes(Vec<fn(&mut Shapes)>),
}

/// The state of the glue that runs nothing and tells the shapes of the variables.
pub const SHAPES: u16 = u16::MAX;

/// A variable of the workflow function: an index, and how its type travels. The generated glue
/// names no types; they follow from the assignments.
///
/// Only here is a type held to [`Travel`], so that a type that cannot travel is reported once,
/// where the variable is declared.
pub struct Var<T> {
    index: u16,
    encode: fn(&T, &str) -> Result<Bytes, Fault>,
    encode_held: fn(&dyn Any, &str) -> Result<Bytes, Fault>,
    decode: fn(&[u8], &str) -> Result<T, Fault>,
    hold: fn(T) -> Box<dyn Any + Send>,
    release: fn(Box<dyn Any + Send>) -> T,
    shape: fn(&mut Shapes),
}

impl<T: Travel> Var<T> {
    /// The variable with this index.
    pub fn new(index: u16) -> Self {
        const ONE_TYPE: &str = "a variable has one type in the whole of the glue";
        Var {
            index,
            encode: codec::encode,
            encode_held: |value, name| codec::encode(value.downcast_ref::<T>().expect(ONE_TYPE), name),
            decode: codec::decode,
            hold: |value| Box::new(value),
            release: |value| *value.downcast().expect(ONE_TYPE),
            shape: Shapes::of::<T>,
        }
    }
}

impl<T> Var<T> {
    /// Adds the shape of its type.
    pub fn shape(&self) -> fn(&mut Shapes) {
        self.shape
    }
}

/// The input of a state.
pub(crate) enum Input {
    /// The outcome of a call, or the run's input.
    One(Box<dyn Any + Send>),
    /// The encoded outcomes of the branches of a fan-in, in branch order.
    Branches(Vec<Bytes>),
}

enum Held {
    Here { value: Box<dyn Any + Send>, encode: fn(&dyn Any, &str) -> Result<Bytes, Fault> },
    Encoded(Value),
}

/// A fan-out whose branches are being started.
struct Opening {
    join: NodeIndex,
    turns: Vec<u32>,
    vars: Vars,
    branches: Vec<Continuation>,
    /// How many `Ok` it waits for, if not for all branches.
    first: Option<usize>,
}

/// The state of one activation of the glue.
pub struct Machine {
    definition: &'static Definition,
    code: &'static Code,
    state: u16,
    input: Option<Input>,
    turns: Vec<u32>,
    vars: Vec<(u16, Held)>,
    frames: Vec<Vars>,
    opening: Vec<Opening>,
}

impl Machine {
    /// A machine that begins in `state` with `input`.
    pub(crate) fn new(
        definition: &'static Definition,
        code: &'static Code,
        state: u16,
        input: Input,
    ) -> Self {
        Machine {
            definition,
            code,
            state,
            input: Some(input),
            turns: Vec::new(),
            vars: Vec::new(),
            frames: Vec::new(),
            opening: Vec::new(),
        }
    }

    /// Gives the machine what travelled to it.
    pub(crate) fn with_context(mut self, frames: &[Frame], turns: Vec<u32>, vars: Vars) -> Self {
        self.frames = frames.iter().map(|frame| frame.vars.clone()).collect();
        self.turns = turns;
        self.vars = vars.into_iter().map(|(index, value)| (index, Held::Encoded(value))).collect();
        self
    }

    /// Runs the glue to its end.
    pub(crate) fn run(mut self) -> Result<Continuation, Fault> {
        let first = (self.code.glue)(&mut self)?;
        self.follow(first)
    }

    fn follow(&mut self, mut step: Step) -> Result<Continuation, Fault> {
        loop {
            match step {
                Step::Next(continuation) => return Ok(continuation),
                Step::Shapes(_) => return Err(Fault::Poison(format!("state {} runs nothing", self.state))),
                Step::Goto(state) => {
                    self.state = state;
                    step = (self.code.glue)(self)?;
                }
            }
        }
    }

    /// The state to run.
    pub fn state(&self) -> u16 {
        self.state
    }

    /// The answer to a state that no glue has.
    pub fn unknown_state(&self) -> Result<Step, Fault> {
        Err(Fault::Poison(format!("`{}` has no state {}", self.definition.name, self.state)))
    }

    /// The outcome that the state begins with.
    pub fn outcome<T: 'static>(&mut self) -> Result<T, Fault> {
        match self.input.take() {
            Some(Input::One(value)) => match value.downcast() {
                Ok(value) => Ok(*value),
                Err(_) => Err(Fault::Poison("the outcome is not of the function's return type".to_owned())),
            },
            _ => Err(Fault::Poison("the state has no outcome to begin with".to_owned())),
        }
    }

    /// The outcomes of the branches that the state begins with.
    pub fn branches<T>(&mut self, returned: &Var<T>) -> Result<Vec<T>, Fault> {
        self.take_branches()?.iter().map(|bytes| (returned.decode)(bytes, "a branch's outcome")).collect()
    }

    /// The outcomes of the unlike branches that the state begins with.
    pub fn take_branches(&mut self) -> Result<Vec<Bytes>, Fault> {
        match self.input.take() {
            Some(Input::Branches(branches)) => Ok(branches),
            _ => Err(Fault::Poison("the state has no branches to begin with".to_owned())),
        }
    }

    /// One of the outcomes that [`take_branches`](Machine::take_branches) gave.
    pub fn branch<T>(&self, branches: &[Bytes], index: usize, returned: &Var<T>) -> Result<T, Fault> {
        let bytes = branches.get(index).ok_or_else(|| Fault::Poison("a branch is missing".to_owned()))?;
        (returned.decode)(bytes, "a branch's outcome")
    }

    /// The outcome that a [`race!`](crate::race) ends with. All branches return the same type.
    pub fn winner<T>(&mut self, returned: &[&Var<T>]) -> Result<T, Fault> {
        match (&self.take_branches()?[..], returned) {
            ([bytes], [returned, ..]) => (returned.decode)(bytes, "a branch's outcome"),
            _ => Err(Fault::Poison("a race has another number of winners than one".to_owned())),
        }
    }

    /// Takes a variable out of the machine, or reads it from an enclosing fan-out.
    pub fn take<T>(&mut self, var: &Var<T>) -> Result<T, Fault> {
        let held = match self.vars.iter().position(|(index, _)| *index == var.index) {
            Some(at) => self.vars.swap_remove(at).1,
            None => Held::Encoded(self.shared(var.index)?),
        };
        match held {
            Held::Here { value, .. } => Ok((var.release)(value)),
            Held::Encoded(Value::Inline(bytes)) => (var.decode)(&bytes, self.name(var.index)),
            Held::Encoded(Value::Stored(_)) => {
                Err(Fault::Poison(format!("`{}` was not fetched before the glue ran", self.name(var.index))))
            }
        }
    }

    /// A variable of an enclosing fan-out, innermost first.
    fn shared(&self, var: u16) -> Result<Value, Fault> {
        let opening = self.opening.iter().rev().map(|opening| &opening.vars);
        let frames = self.frames.iter().rev();
        opening
            .chain(frames)
            .flatten()
            .find(|(index, _)| *index == var)
            .map(|(_, value)| value.clone())
            .ok_or_else(|| Fault::Poison(format!("the variable `{}` did not travel", self.name(var))))
    }

    fn name(&self, var: u16) -> &'static str {
        self.code.vars.get(usize::from(var)).copied().unwrap_or("a variable")
    }

    /// Hands a variable to the state that comes next, as it is.
    pub fn pass<T>(&mut self, var: &Var<T>, value: T) {
        self.forget(var.index);
        self.vars.push((var.index, Held::Here { value: (var.hold)(value), encode: var.encode_held }));
    }

    /// Encodes a variable to travel.
    pub fn keep<T>(&mut self, var: &Var<T>, value: &T) -> Result<(), Fault> {
        self.forget(var.index);
        let bytes = (var.encode)(value, self.name(var.index))?;
        self.vars.push((var.index, Held::Encoded(Value::Inline(bytes))));
        Ok(())
    }

    fn forget(&mut self, var: u16) {
        self.vars.retain(|(index, _)| *index != var);
    }

    /// Goes on in another state.
    pub fn goto(&self, state: u16) -> Step {
        Step::Goto(state)
    }

    /// Enters a loop that is inside `depth` others.
    pub fn enter(&mut self, depth: usize) {
        self.turns.truncate(depth);
        self.turns.push(0);
    }

    /// Begins a turn of the loop that is inside `depth` others: its condition holds.
    ///
    /// # Errors
    /// The loop has turned `max_turns` times already. Its condition was evaluated once more than
    /// that, so a call in the condition may carry that counter.
    pub fn begin_turn(&self, depth: usize) -> Result<(), Fault> {
        match self.turns.get(depth) {
            Some(turn) if *turn < self.definition.max_turns => Ok(()),
            Some(_) => Err(Fault::Bound(format!(
                "a loop of `{}` passed its bound of {} turns: raise it with `#[workflow(max_turns = …)]`",
                self.definition.name, self.definition.max_turns
            ))),
            None => Err(lost_counters()),
        }
    }

    /// Goes back to the head of the loop that is inside `depth` others.
    pub fn turn(&mut self, depth: usize) -> Result<(), Fault> {
        self.turns.truncate(depth + 1);
        match self.turns.get_mut(depth) {
            Some(turn) => {
                *turn = turn.saturating_add(1);
                Ok(())
            }
            None => Err(lost_counters()),
        }
    }

    /// Leaves all loops but the outermost `depth`.
    pub fn leave(&mut self, depth: usize) {
        self.turns.truncate(depth);
    }

    /// Ends in a call. Of the variables, only those in `live` travel.
    pub fn call<A: Serialize>(&mut self, node: NodeIndex, live: &[u16], args: &A) -> Result<Step, Fault> {
        let args = Value::Inline(codec::encode(args, "the arguments of a call")?);
        let vars = self.encode_vars(live)?;
        Ok(Step::Next(Continuation::Call(Call {
            node,
            turns: self.turns.clone(),
            args,
            vars,
            gathers: None,
        })))
    }

    /// Takes out the variables in `live`, encoded, and drops the others.
    fn encode_vars(&mut self, live: &[u16]) -> Result<Vars, Fault> {
        let mut vars = Vars::with_capacity(live.len());
        for (index, held) in std::mem::take(&mut self.vars) {
            if !live.contains(&index) {
                continue;
            }
            let value = match held {
                Held::Here { value, encode } => Value::Inline(encode(&*value, self.name(index))?),
                Held::Encoded(value) => value,
            };
            vars.push((index, value));
        }
        vars.sort_unstable_by_key(|(index, _)| *index);
        Ok(vars)
    }

    /// Ends the innermost branch, or the run, with a value.
    pub fn give_back<T>(&mut self, returned: &Var<T>, value: T) -> Result<Step, Fault> {
        self.vars.clear();
        let bytes = (returned.encode)(&value, "a returned value")?;
        Ok(Step::Next(Continuation::Return(Value::Inline(bytes))))
    }

    /// Ends a branch whose fan-in waits for the first that are `Ok`.
    pub fn give_back_result<T: OkOrErr>(&mut self, returned: &Var<T>, value: T) -> Result<Step, Fault> {
        let is_err = value.is_err();
        Ok(match self.give_back(returned, value)? {
            Step::Next(Continuation::Return(value)) if is_err => Step::Next(Continuation::Err(value)),
            step => step,
        })
    }

    /// Opens a fan-out that ends at `join`; the variables in `live` are for its branches and for
    /// the code after the join.
    pub fn open(&mut self, join: NodeIndex, live: &[u16]) -> Result<(), Fault> {
        let vars = self.encode_vars(live)?;
        let turns = std::mem::take(&mut self.turns);
        self.opening.push(Opening { join, turns, vars, branches: Vec::new(), first: None });
        Ok(())
    }

    /// [`open`](Machine::open)s a fan-out whose fan-in waits for the `first` that are `Ok`. Says
    /// whether it needs branches at all.
    pub fn open_first(&mut self, join: NodeIndex, live: &[u16], first: usize) -> Result<bool, Fault> {
        self.open(join, live)?;
        self.opening.last_mut().expect("it was opened").first = Some(first);
        Ok(first > 0)
    }

    /// Ends one branch's first stretch of glue, which began after [`open`](Machine::open) or
    /// after the branch before it.
    pub fn branch_begins_with(&mut self, step: Step) -> Result<(), Fault> {
        let continuation = self.follow(step)?;
        self.turns.clear();
        self.vars.clear();
        let max = self.definition.max_branches;
        let name = self.definition.name;
        let opening = self.opening.last_mut().expect("a branch is started between `open` and `close`");
        if opening.branches.len() >= max as usize {
            return Err(Fault::Bound(format!(
                "a fan-out of `{name}` passed its bound of {max} branches: raise it with `#[workflow(max_branches = …)]`"
            )));
        }
        if opening.first.is_some() && opening.branches.len() >= WIDTH as usize {
            return Err(Fault::Bound(format!(
                "a `first_ok` of `{name}` passed its bound of {WIDTH} branches: use `try_fan_out` for more, or `first_ok` of parts"
            )));
        }
        opening.branches.push(continuation);
        Ok(())
    }

    /// Ends in the fan-out that was opened last.
    pub fn close(&mut self) -> Step {
        let Opening { join, turns, vars, branches, first } =
            self.opening.pop().expect("a fan-out is closed after it is opened");
        self.turns.clone_from(&turns);
        let first = first.map(|first| {
            check_first(first, branches.len());
            first as u32
        });
        Step::Next(Continuation::Fork(Fork { join, turns, vars, branches, first }))
    }
}

fn lost_counters() -> Fault {
    Fault::Poison("the loop counters did not travel".to_owned())
}
