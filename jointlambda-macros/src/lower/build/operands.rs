//! Expressions with calls in them, taken apart in order of evaluation.

use quote::ToTokens;
use syn::{
    BinOp, Expr, Type, UnOp, parse_quote,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::{Builder, Dest, VarSet, format, suspends, unwrapped};
use crate::lower::{changes::Changes, constructs::is_join};

impl Builder<'_> {
    /// Lowers an expression with calls in it; gives an expression without, for the same value.
    pub(super) fn value(&mut self, expr: &Expr) -> Expr {
        if !suspends(expr) {
            return self.glue(expr);
        }
        let mut expr = expr.clone();
        match &mut expr {
            Expr::Await(awaited) => {
                let Expr::Call(call) = super::unwrapped(&awaited.base) else {
                    unreachable!("`rules` has refused every other `.await`")
                };
                return self.awaited(call);
            }
            Expr::Call(call) if is_join(call).is_some() => return self.awaited(call),
            Expr::If(_)
            | Expr::Match(_)
            | Expr::Block(_)
            | Expr::Loop(_)
            | Expr::While(_)
            | Expr::ForLoop(_) => {
                return self.branching(&expr, None);
            }
            Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => {
                self.expr(&expr, Dest::Discard);
                return parse_quote!(::core::unreachable!());
            }
            Expr::Binary(binary) if matches!(binary.op, BinOp::And(_) | BinOp::Or(_)) => {
                // The right side is evaluated only if it matters.
                let (left, right) = (&binary.left, &binary.right);
                let lazy: Expr = match binary.op {
                    BinOp::And(_) => parse_quote!(if #left { #right } else { false }),
                    _ => parse_quote!(if #left { true } else { #right }),
                };
                let drawn = self.outline.len();
                let value = self.value(&lazy);
                if let Some(super::Outline::Choice { on, .. }) = self.outline.get_mut(drawn) {
                    *on = compact(&expr);
                }
                return value;
            }
            Expr::Binary(binary) if super::super::is_compound(&binary.op) => {
                self.right_first(&mut binary.left, &mut binary.right)
            }
            Expr::Binary(binary) => self.in_order(vec![&mut binary.left, &mut binary.right]),
            Expr::Assign(assign) => self.right_first(&mut assign.left, &mut assign.right),
            Expr::Try(tried) => *tried.expr = self.value(&tried.expr),
            Expr::Paren(paren) => *paren.expr = self.value(&paren.expr),
            Expr::Group(group) => *group.expr = self.value(&group.expr),
            Expr::Unary(unary) => *unary.expr = self.value(&unary.expr),
            Expr::Cast(cast) => *cast.expr = self.value(&cast.expr),
            Expr::Field(field) => *field.base = self.value(&field.base),
            Expr::Reference(reference) => *reference.expr = self.value(&reference.expr),
            Expr::Index(index) => self.in_order_of_place(vec![&mut index.expr, &mut index.index]),
            Expr::Call(call) => {
                let places = match format::macro_name(call) {
                    Some(name) if format::borrows(&name) => usize::MAX,
                    _ => 0,
                };
                let func = suspends(&call.func).then_some(&mut *call.func);
                let args = call.args.iter_mut().map(named_argument);
                self.each_in_order(func.into_iter().chain(args).collect(), places);
            }
            Expr::MethodCall(call) => {
                let parts = std::iter::once(&mut *call.receiver).chain(&mut call.args).collect();
                self.in_order_of_place(parts);
            }
            Expr::Tuple(tuple) => self.in_order(tuple.elems.iter_mut().collect()),
            Expr::Array(array) => self.in_order(array.elems.iter_mut().collect()),
            Expr::Repeat(repeat) => *repeat.expr = self.value(&repeat.expr),
            Expr::Range(range) => {
                let parts = range.start.iter_mut().chain(&mut range.end).map(|part| &mut **part).collect();
                self.in_order(parts);
            }
            Expr::Struct(literal) => {
                let fields = literal.fields.iter_mut().map(|field| &mut field.expr);
                self.in_order(fields.chain(literal.rest.iter_mut().map(|rest| &mut **rest)).collect());
            }
            _ => {}
        }
        expr
    }

    /// The arguments of a call, lowered.
    pub(super) fn operands(&mut self, mut args: Vec<Expr>) -> Vec<Expr> {
        self.in_order(args.iter_mut().collect());
        args
    }

    /// Lowers an expression whose value comes out of one of several places.
    pub(super) fn branching(&mut self, expr: &Expr, ty: Option<Type>) -> Expr {
        let var = self.temporary(expr.span());
        self.out.vars[var].ty = ty;
        self.expr(expr, Dest::Var(var));
        self.path(var)
    }

    /// Lowers operands from left to right. What comes before a call is evaluated before it.
    fn in_order(&mut self, parts: Vec<&mut Expr>) {
        self.each_in_order(parts, 0);
    }

    /// [`in_order`](Self::in_order), where the first operand is a place: it is not moved.
    fn in_order_of_place(&mut self, parts: Vec<&mut Expr>) {
        self.each_in_order(parts, 1);
    }

    /// The first `places` operands are only borrowed.
    fn each_in_order(&mut self, mut parts: Vec<&mut Expr>, places: usize) {
        let calls = parts.iter().rposition(|part| suspends(part)).unwrap_or(0);
        let later: Vec<Later> = (0..calls).map(|i| self.later(&parts[i + 1..=calls])).collect();
        for (i, part) in parts.iter_mut().enumerate() {
            **part = self.value(part);
            if let Some(later) = later.get(i) {
                self.settle(part, later, i < places);
            }
        }
    }

    /// The right side of an assignment is evaluated first.
    fn right_first(&mut self, left: &mut Expr, right: &mut Expr) {
        *right = self.value(right);
        if suspends(left) {
            let later = self.later(&[&*left]);
            self.settle(right, &later, false);
            *left = self.value(left);
        }
    }

    /// Makes it sure that an operand has the value that it has now, whatever comes later. A place
    /// that nothing changes stays a place: it may not be possible to move out of it.
    fn settle(&mut self, expr: &mut Expr, later: &Later, is_place: bool) {
        let read = self.names.of_expr(expr).reads;
        let changes = if is_place { &later.assigned } else { &later.changed };
        let changes = !read.is_disjoint(changes);
        match expr {
            Expr::Paren(inner) => self.settle(&mut inner.expr, later, is_place),
            Expr::Group(inner) => self.settle(&mut inner.expr, later, is_place),
            Expr::Reference(reference) => self.settle(&mut reference.expr, later, true),
            Expr::Range(range) => {
                for part in range.start.iter_mut().chain(&mut range.end) {
                    self.settle(part, later, false);
                }
            }
            place if is_rooted(place) && !changes => self.settle_indices(place, later),
            other if can_wait(other) && !changes => {}
            other => {
                let var = self.temporary(other.span());
                self.assign(var, other.clone());
                *other = self.path(var);
            }
        }
    }

    fn settle_indices(&mut self, place: &mut Expr, later: &Later) {
        match place {
            Expr::Index(index) => {
                self.settle_indices(&mut index.expr, later);
                self.settle(&mut index.index, later, false);
            }
            Expr::Field(field) => self.settle_indices(&mut field.base, later),
            Expr::Unary(unary) => self.settle_indices(&mut unary.expr, later),
            Expr::Paren(inner) => self.settle_indices(&mut inner.expr, later),
            Expr::Group(inner) => self.settle_indices(&mut inner.expr, later),
            _ => {}
        }
    }

    /// The variables that operands may change.
    fn later<E: std::borrow::Borrow<Expr>>(&self, operands: &[E]) -> Later {
        let mut later = Later::default();
        for operand in operands {
            let operand = operand.borrow();
            let assigned = Changes::of(&self.names, |changes| changes.visit_expr(operand));
            later.assigned.extend(assigned.iter().filter_map(|ident| self.names.find(&ident.to_string())));
            let mut receivers = Receivers(Vec::new());
            receivers.visit_expr(operand);
            later.changed.extend(receivers.0.iter().filter_map(|place| self.names.of_path(place)));
        }
        later.changed.extend(later.assigned.iter().copied());
        later
    }
}

/// What operands may do to variables.
#[derive(Default)]
struct Later {
    /// Assigned, or borrowed to be changed.
    assigned: VarSet,
    /// That, or the receiver of a method.
    changed: VarSet,
}

/// The variables that methods are called on.
struct Receivers<'a>(Vec<&'a Expr>);

impl<'a> Visit<'a> for Receivers<'a> {
    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        let mut place = unwrapped(&call.receiver);
        while let Expr::Field(syn::ExprField { base: inner, .. })
        | Expr::Index(syn::ExprIndex { expr: inner, .. }) = place
        {
            place = unwrapped(inner);
        }
        self.0.push(place);
        visit::visit_expr_method_call(self, call);
    }
}

/// The value of a macro's `name = value`, or the argument itself.
fn named_argument(arg: &mut Expr) -> &mut Expr {
    match arg {
        Expr::Assign(assign) => &mut assign.right,
        other => other,
    }
}

/// Whether it makes no difference if the operand is evaluated after a later one: places and
/// constants.
fn can_wait(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(_) | Expr::Path(_) | Expr::Closure(_) => true,
        Expr::Field(field) => can_wait(&field.base),
        Expr::Reference(reference) => can_wait(&reference.expr),
        Expr::Paren(paren) => can_wait(&paren.expr),
        Expr::Unary(unary) => matches!(unary.op, UnOp::Deref(_) | UnOp::Neg(_)) && can_wait(&unary.expr),
        Expr::Index(index) => can_wait(&index.expr) && can_wait(&index.index),
        Expr::Cast(cast) => can_wait(&cast.expr),
        Expr::Range(range) => range.start.iter().chain(&range.end).all(|part| can_wait(part)),
        _ => false,
    }
}

/// Whether the expression is a variable or a part of one.
fn is_rooted(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) => true,
        Expr::Field(field) => is_rooted(&field.base),
        Expr::Index(index) => is_rooted(&index.expr),
        Expr::Paren(inner) => is_rooted(&inner.expr),
        Expr::Group(inner) => is_rooted(&inner.expr),
        Expr::Unary(unary) => matches!(unary.op, UnOp::Deref(_)) && is_rooted(&unary.expr),
        _ => false,
    }
}

/// Code as a short text, for drawings.
pub(super) fn compact(tokens: &impl ToTokens) -> String {
    const LONGEST: usize = 48;
    let mut text = tokens.to_token_stream().to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    for (spaced, tight) in [
        (" . ", "."),
        (" :: ", "::"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" ,", ","),
        (" ?", "?"),
        ("& ", "&"),
        (" [", "["),
        ("[ ", "["),
        (" ]", "]"),
        (" ;", ";"),
        (" !", "!"),
        ("! ", "!"),
        ("< ", "< "),
        ("| ", "| "),
        (".await.", ".await."),
    ] {
        text = text.replace(spaced, tight);
    }
    if text.chars().count() > LONGEST {
        text = text.chars().take(LONGEST - 1).chain(['…']).collect();
    }
    text
}
