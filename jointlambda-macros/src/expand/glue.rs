//! The glue: one function with a `match` over the states, so that rustc infers every variable's
//! type from its assignments.
//!
//! A state takes the variables that it mentions out of the machine, runs the user's code, and
//! leaves by a call, a fan-out, another state, or the end of its branch. The first stretch of a
//! branch is written inside the loop that starts the branches; there, leaving is a `break` with
//! the step that the branch begins with.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Pat, Stmt, spanned::Spanned};

use super::{
    rewrite::{self, Exits},
    tables::index,
};
use crate::{
    hash::Tables,
    lower::{
        Arm, Lowered, NodeId, Op, Outcomes, Over, RegionId, SeqId, StateId, Target, Turns, VarId, VarSet,
        arm_of, mentioned_in, of_fork, of_region,
    },
    model::Model,
};

pub(super) struct Glue<'a> {
    model: &'a Model,
    lowered: &'a Lowered,
    /// What each state mentions, by state.
    arms: Vec<Arm>,
    /// The variables that live from state to state.
    hoisted: Vec<VarId>,
}

/// Where a sequence is emitted.
#[derive(Clone, Copy)]
struct Context<'a> {
    glue: &'a Glue<'a>,
    arm: &'a Arm,
    region: RegionId,
    /// The branch that is being started, if any.
    branch: Option<RegionId>,
}

fn ident(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

fn machine() -> Ident {
    ident("__m")
}

/// A name of ours, where rustc is to point at something of the user's.
fn ident_at(name: &Ident, span: Span) -> Ident {
    Ident::new(&name.to_string(), span.resolved_at(Span::mixed_site()))
}

impl<'a> Glue<'a> {
    pub(super) fn new(model: &'a Model, lowered: &'a Lowered) -> Self {
        let live = lowered.order.iter().flat_map(|&state| &lowered.states[state].live_in);
        let hoisted: VarSet = live.copied().collect();
        let arms = (0..lowered.states.len()).map(|state| arm_of(lowered, state)).collect();
        Glue { model, lowered, arms, hoisted: hoisted.into_iter().collect() }
    }

    /// The glue function.
    pub(super) fn expand(&self) -> TokenStream {
        let m = machine();
        let vars = self.hoisted.iter().map(|&var| {
            let (def, witness, index) = (&self.lowered.vars[var], self.witness(var), self.index(var));
            let ty = def.ty.as_ref().map(|ty| quote!(::<#ty>));
            quote_spanned!(def.ident.span()=> let #witness = __private::Var #ty ::new(#index);)
        });
        let branches = (0..self.lowered.regions.len()).map(returns);
        let witnesses = self.hoisted.iter().map(|&var| self.witness(var)).chain(branches);
        let returns = self.lowered.regions.iter().enumerate().map(|(region, def)| {
            let (witness, workflow) = (returns(region), &self.model.workflow.type_ident);
            let ty = def.output.as_ref().map(|ty| quote!(::<#ty>));
            match def.parent {
                None => quote!(let #witness = __private::output::<#workflow>();),
                Some(_) => quote_spanned!(def.span=> let #witness = __private::Var #ty ::new(u16::MAX);),
            }
        });
        let items = &self.lowered.items;
        let states = self.lowered.order.iter().map(|&state| self.state(state));
        quote! {
            #[allow(
                warnings, nonstandard_style, unused, unused_results, unused_qualifications, unit_bindings,
                clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction
            )]
            fn __glue(#m: &mut __private::Machine) -> ::core::result::Result<__private::Step, __private::Fault> {
                #(#items)*
                #(#vars)*
                #(#returns)*
                match #m.state() {
                    #(#states)*
                    __private::SHAPES => ::core::result::Result::Ok(__private::Step::Shapes(
                        ::std::vec![#(#witnesses.shape()),*]
                    )),
                    _ => #m.unknown_state(),
                }
            }
        }
    }

    /// The tables that go with the glue.
    pub(super) fn tables(&self) -> Tables {
        let reads = (0..self.lowered.states.len()).map(|state| self.reads(state)).collect();
        let names = self.hoisted.iter().map(|&var| {
            self.lowered.vars[var].user.clone().unwrap_or_else(|| "a value computed before a call".to_owned())
        });
        Tables { reads, vars: names.collect() }
    }

    /// The variables that are read from a state on.
    fn reads(&self, state: StateId) -> Vec<u16> {
        let mut seen = std::collections::BTreeSet::new();
        let mut reads = VarSet::new();
        let mut todo = vec![state];
        while let Some(state) = todo.pop() {
            if seen.insert(state) {
                reads.extend(self.taken(state));
                todo.extend(self.arms[state].gotos.iter().copied());
            }
        }
        reads.into_iter().map(|var| self.index(var)).collect()
    }

    fn index(&self, var: VarId) -> u16 {
        index(self.hoisted.binary_search(&var).expect("only hoisted variables are in the machine"))
    }

    fn witness(&self, var: VarId) -> Ident {
        format_ident!("__v{var}", span = Span::mixed_site())
    }

    /// The variables that a state takes out of the machine.
    fn taken(&self, state: StateId) -> impl Iterator<Item = VarId> {
        self.lowered.states[state].live_in.intersection(&self.arms[state].mentions).copied()
    }

    fn state(&self, id: StateId) -> TokenStream {
        let (state, arm) = (&self.lowered.states[id], &self.arms[id]);
        let (number, m) = (index(id), machine());
        let takes = self.taken(id).map(|var| {
            let (def, witness) = (&self.lowered.vars[var], self.witness(var));
            let name = &def.ident;
            let mutable = (def.mutable && def.region == state.region).then(|| quote!(mut));
            quote_spanned!(name.span()=> let #mutable #name = #m.take(&#witness)?;)
        });
        let declared = arm
            .mentions
            .iter()
            .filter(|var| {
                !state.live_in.contains(var) && !arm.binds.contains(var) && !arm.declares.contains(var)
            })
            .map(|&var| {
                let name = &self.lowered.vars[var].ident;
                let mutable = self.lowered.vars[var].mutable.then(|| quote!(mut));
                quote!(let #mutable #name;)
            });
        let context = Context { glue: self, arm, region: state.region, branch: None };
        let body = context.seq(state.seq);
        quote! {
            #number => {
                #(#takes)*
                #(#declared)*
                #body
            }
        }
    }
}

/// The witness of the type that a region returns.
fn returns(region: RegionId) -> Ident {
    ident(&format!("__r{region}"))
}

impl<'a> Context<'a> {
    fn seq(self, seq: SeqId) -> TokenStream {
        self.glue.lowered.seqs[seq].ops.iter().map(|op| self.op(op)).collect()
    }

    fn op(self, op: &Op) -> TokenStream {
        let m = machine();
        match op {
            Op::Outcome { pat, ty } => quote!(let #pat: #ty = #m.outcome()?;),
            Op::Branches { var, from } => self.branches(*var, from),
            Op::Glue(Stmt::Local(local)) if local.init.is_none() && !self.is_used(&local.pat) => {
                TokenStream::new()
            }
            Op::Glue(stmt) => rewrite::stmt(&self, stmt),
            Op::If { cond, then, otherwise } => {
                let (cond, then, otherwise) =
                    (rewrite::expr(&self, cond), self.seq(*then), self.seq(*otherwise));
                quote!(if #cond { #then } else { #otherwise })
            }
            Op::Match { scrutinee, arms } => {
                let scrutinee = rewrite::expr(&self, scrutinee);
                let arms = arms.iter().map(|(pat, seq)| {
                    let (pat, body) = (rewrite::pat(&self, pat), self.seq(*seq));
                    quote!(#pat => { #body })
                });
                quote!(match #scrutinee { #(#arms)* })
            }
            Op::BeginTurn(depth) => quote!(#m.begin_turn(#depth)?;),
            Op::Goto(target) => self.goto(*target),
            Op::Call { node, function, args, resume } => self.call(*node, *function, args, *resume),
            Op::Fork { node, over, resume } => self.fork(*node, over, *resume),
            Op::Return(expr) => {
                let value = rewrite::expr(&self, expr);
                self.give_back(value)
            }
        }
    }

    /// Whether a variable that is declared without a value is assigned in the same state.
    fn is_used(self, pat: &Pat) -> bool {
        let name = match pat {
            Pat::Type(typed) => typed.pat.to_token_stream().to_string(),
            other => other.to_token_stream().to_string(),
        };
        let name = name.trim_start_matches("mut ");
        self.arm.mentions.iter().any(|&var| self.glue.lowered.vars[var].ident == name)
    }

    /// Leaves the glue, or the first stretch of the branch, with a step.
    fn leave(self, step: TokenStream) -> TokenStream {
        match self.branch {
            None => quote!(return ::core::result::Result::Ok(#step);),
            Some(region) => {
                let label = branch_label(region);
                quote!(break #label #step;)
            }
        }
    }

    fn branches(self, var: VarId, from: &Outcomes) -> TokenStream {
        let (m, name) = (machine(), &self.glue.lowered.vars[var].ident);
        match from {
            Outcomes::Map { region, fallible } => {
                let returned = returns(*region);
                let all = quote!(#m.branches(&#returned)?);
                let region = &self.glue.lowered.regions[*region];
                let all = match (region.is_counted, *fallible) {
                    (true, _) => {
                        let span = region.span.resolved_at(Span::mixed_site());
                        let (m, returned) = (ident_at(&m, span), ident_at(&returned, span));
                        quote_spanned!(span=> __private::counted(#m.branches(&#returned)?))
                    }
                    (false, true) => quote!(__private::all_ok(#all)),
                    (false, false) => all,
                };
                quote!(let #name = #all;)
            }
            Outcomes::Tuple { regions, fallible } => {
                let outcomes = ident("__outcomes");
                let parts = regions.iter().enumerate().map(|(i, &region)| {
                    let returned = returns(region);
                    quote!(#m.branch(&#outcomes, #i, &#returned)?)
                });
                let all = quote!((#(#parts,)*));
                let all = if *fallible { quote!(__private::AllOk::all_ok(#all)) } else { all };
                quote!(let #outcomes = #m.take_branches()?; let #name = #all;)
            }
            Outcomes::Winner { regions } => {
                let all = regions.iter().map(|&region| {
                    let span = self.glue.lowered.regions[region].span;
                    let returned = ident_at(&returns(region), span);
                    quote_spanned!(span=> &#returned)
                });
                quote!(let #name = #m.winner(&[#(#all),*])?;)
            }
        }
    }

    /// Encodes the variables that are bound here to travel.
    fn keep(self, live: &VarSet) -> TokenStream {
        let m = machine();
        let kept = live.intersection(&self.arm.mentions).map(|&var| {
            let (name, witness) = (&self.glue.lowered.vars[var].ident, self.glue.witness(var));
            quote_spanned!(name.span()=> #m.keep(&#witness, &#name)?;)
        });
        quote!(#(#kept)*)
    }

    fn indices(self, live: &VarSet) -> TokenStream {
        let live = live.iter().map(|&var| self.glue.index(var));
        quote!(&[#(#live),*])
    }

    fn call(self, node: NodeId, function: usize, args: &[syn::Expr], resume: StateId) -> TokenStream {
        let (m, node) = (machine(), index(node));
        let params = &self.glue.model.functions[function].params;
        let names: Vec<_> = (0..args.len()).map(|i| ident(&format!("__a{i}"))).collect();
        let lets = args.iter().zip(params).zip(&names).map(|((arg, param), name)| {
            let (ty, value) = (&param.ty, rewrite::expr(&self, arg));
            quote_spanned!(arg.span()=> let #name: #ty = #value;)
        });
        let live = of_region(self.glue.lowered, &self.glue.lowered.states[resume].live_in, self.region);
        let (keep, live) = (self.keep(&live), self.indices(&live));
        let leave = self.leave(quote!(#m.call(#node, #live, &(#(#names,)*))?));
        quote!({ #(#lets)* #keep #leave })
    }

    fn goto(self, target: Target) -> TokenStream {
        let m = machine();
        let live = of_region(self.glue.lowered, &self.glue.lowered.states[target.state].live_in, self.region);
        let passed = live.intersection(&self.arm.mentions).map(|&var| {
            let (name, witness) = (&self.glue.lowered.vars[var].ident, self.glue.witness(var));
            quote_spanned!(name.span()=> #m.pass(&#witness, #name);)
        });
        let turns = match target.turns {
            Turns::Keep => TokenStream::new(),
            Turns::Enter(depth) => quote!(#m.enter(#depth);),
            Turns::Next(depth) => quote!(#m.turn(#depth)?;),
            Turns::Leave(depth) => quote!(#m.leave(#depth);),
        };
        let state = index(target.state);
        let leave = self.leave(quote!(#m.goto(#state)));
        quote!(#(#passed)* #turns #leave)
    }

    fn fork(self, node: NodeId, over: &Over, resume: StateId) -> TokenStream {
        let (m, node) = (machine(), index(node));
        let live = of_fork(self.glue.lowered, self.region, over, resume);
        let (keep, live) = (self.keep(&live), self.indices(&live));
        let start = |seq: SeqId| {
            let region = self.glue.lowered.seqs[seq].region;
            let label = branch_label(region);
            let body = Context { region, branch: Some(region), ..self }.seq(seq);
            let step = ident("__step");
            quote! {
                let #step = #label: { #body };
                #m.branch_begins_with(#step)?;
            }
        };
        let close = self.leave(quote!(#m.close()));
        match over {
            Over::Items { items, pat, branch } => {
                let (written, items) = (items, rewrite::expr(&self, items));
                let (element, list) = (ident("__element"), ident("__items"));
                let start = start(*branch);
                let starts = quote! {
                    for #element in ::core::iter::IntoIterator::into_iter(#list) {
                        let #pat = #element;
                        #start
                    }
                };
                if self.is_counted(*branch) {
                    let first = match &**written {
                        syn::Expr::Tuple(tuple) => tuple.elems.first().map(|first| first.span()),
                        _ => None,
                    };
                    let first = ident_at(&ident("__first"), first.unwrap_or_else(Span::mixed_site));
                    return quote! {
                        let (#first, #list) = #items;
                        #keep
                        if #m.open_first(#node, #live, #first)? { #starts }
                        #close
                    };
                }
                quote! {
                    let #list = #items;
                    #keep
                    #m.open(#node, #live)?;
                    #starts
                    #close
                }
            }
            Over::Branches(branches) => {
                let starts = branches.iter().map(|&branch| start(branch));
                let frozen = self.frozen(branches);
                let open = match branches.first() {
                    Some(&branch) if self.is_counted(branch) => quote!(#m.open_first(#node, #live, 1)?;),
                    _ => quote!(#m.open(#node, #live)?;),
                };
                quote! {
                    #keep
                    #open
                    #frozen
                    #({ #starts })*
                    #close
                }
            }
        }
    }
}

impl Context<'_> {
    /// Whether a branch ends in a fan-in that waits for the first that are `Ok`.
    fn is_counted(self, branch: SeqId) -> bool {
        let lowered = self.glue.lowered;
        lowered.regions[lowered.seqs[branch].region].is_counted
    }

    /// Makes the variables that branches share immutable: what one branch changes, the others and
    /// the code after the join do not see.
    fn frozen(self, branches: &[SeqId]) -> TokenStream {
        let lowered = self.glue.lowered;
        let shared: VarSet = branches.iter().flat_map(|&branch| mentioned_in(lowered, branch)).collect();
        let frozen = shared.iter().map(|&var| &lowered.vars[var]);
        let frozen = frozen.filter(|var| var.mutable && var.region == self.region).map(|var| {
            let name = &var.ident;
            quote!(let #name = #name;)
        });
        quote!(#(#frozen)*)
    }
}

fn branch_label(region: RegionId) -> syn::Lifetime {
    syn::Lifetime::new(&format!("'__branch{region}"), Span::mixed_site())
}

impl Exits for Context<'_> {
    fn give_back(&self, value: TokenStream) -> TokenStream {
        let (m, returned, name) = (machine(), returns(self.region), ident("__returned"));
        let region = &self.glue.lowered.regions[self.region];
        let give_back = match region.is_counted {
            true => quote_spanned!(region.span=> #m.give_back_result(&#returned, #name)?),
            false => quote!(#m.give_back(&#returned, #name)?),
        };
        let leave = self.leave(give_back);
        let ty = region.output.as_ref().map(|ty| quote!(: #ty));
        quote!(let #name #ty = #value; #leave)
    }

    fn jump(&self, jump: usize) -> TokenStream {
        let jump = &self.glue.lowered.jumps[jump];
        let value = jump.value.as_ref().map(|(var, value)| {
            let (var, value) = (&self.glue.lowered.vars[*var], rewrite::expr(self, value));
            let (name, ty) = (&var.ident, var.ty.as_ref().map(|ty| quote!(: #ty)));
            quote!(let #name #ty = #value;)
        });
        let goto = self.goto(jump.target);
        quote!(#value #goto)
    }
}
