//! Loops and labelled blocks as states: a head, an exit, and the jumps to them.

use proc_macro2::Span;
use quote::format_ident;
use syn::{
    Block, Expr, ExprBlock, ExprBreak, ExprForLoop, ExprLoop, ExprWhile, parse_quote, spanned::Spanned,
};

use super::{Builder, Dest, operands::compact};
use crate::lower::{Op, Outline, StateId, Target, Turns, VarId, unwrapped};

/// A loop, or a labelled block, that has become states.
pub(super) struct Loop {
    label: Option<String>,
    /// `None` for a labelled block.
    head: Option<StateId>,
    exit: StateId,
    pub(super) exit_used: bool,
    /// How many loops are around it.
    depth: usize,
    pub(super) value: Option<VarId>,
}

impl Builder<'_> {
    /// A block with a label, which `break` may leave.
    pub(super) fn labelled(&mut self, block: &ExprBlock, dest: Dest) {
        let label = block.label.as_ref().map(|label| label.name.ident.to_string());
        let value = self.loop_value(dest, block.span());
        self.enter(label, None, value);
        self.block(&block.block, value.map_or(Dest::Discard, Dest::Var));
        let (exit, depth) = self.innermost();
        if self.cursor.is_some() {
            self.loops.last_mut().expect("it was entered").exit_used = true;
            self.goto(Target { state: exit, turns: Turns::Leave(depth) });
        }
        self.exit(dest, block.span());
    }

    fn depth(&self) -> usize {
        self.loops.iter().filter(|l| l.head.is_some()).count()
    }

    /// The variable that `break value` assigns.
    pub(super) fn loop_value(&mut self, dest: Dest, span: Span) -> Option<VarId> {
        match dest {
            Dest::Discard => None,
            Dest::Var(var) => Some(var),
            Dest::Return => Some(self.temporary(span)),
        }
    }

    pub(super) fn enter(&mut self, label: Option<String>, head: Option<StateId>, value: Option<VarId>) {
        let (depth, exit) = (self.depth(), self.new_state());
        self.loops.push(Loop { label, head, exit, exit_used: false, depth, value });
    }

    pub(super) fn innermost(&self) -> (StateId, usize) {
        let innermost = self.loops.last().expect("a loop was entered");
        (innermost.exit, innermost.depth)
    }

    /// Goes on after the innermost loop.
    pub(super) fn exit(&mut self, dest: Dest, span: Span) {
        let left = self.loops.pop().expect("a loop was entered");
        if !left.exit_used {
            self.cursor = None;
            return;
        }
        self.open(left.exit);
        match (dest, left.value) {
            (Dest::Return, Some(value)) => {
                let value = self.path(value);
                self.deliver(value, Dest::Return);
            }
            (Dest::Return, None) => self.deliver_unit(dest, span),
            _ => {}
        }
    }

    /// Begins a loop: the cursor is at its head.
    fn begin_loop(&mut self, label: &Option<syn::Label>, value: Option<VarId>) {
        let head = self.new_state();
        self.goto(Target { state: head, turns: Turns::Enter(self.depth()) });
        self.open(head);
        let label = label.as_ref().map(|label| label.name.ident.to_string());
        self.enter(label, Some(head), value);
    }

    /// The body of a loop, and the way back to its head.
    fn loop_body(&mut self, body: &Block, drawn_head: String) {
        let (_, depth) = self.innermost();
        self.push(Op::BeginTurn(depth));
        let outline = std::mem::take(&mut self.outline);
        self.block(body, Dest::Discard);
        let drawn = std::mem::replace(&mut self.outline, outline);
        self.outline.push(Outline::Loop { head: drawn_head, body: drawn });
        if self.cursor.is_some() {
            let target = self.next_turn(self.loops.len() - 1);
            self.goto(target);
        }
    }

    pub(super) fn next_turn(&self, at: usize) -> Target {
        let Loop { head, depth, .. } = &self.loops[at];
        Target { state: head.expect("only loops are continued"), turns: Turns::Next(*depth) }
    }

    pub(super) fn loop_(&mut self, looped: &ExprLoop, dest: Dest) {
        let value = self.loop_value(dest, looped.loop_token.span);
        self.begin_loop(&looped.label, value);
        self.loop_body(&looped.body, "loop".to_owned());
        self.exit(dest, looped.loop_token.span);
    }

    pub(super) fn while_(&mut self, looped: &ExprWhile, dest: Dest) {
        self.begin_loop(&looped.label, None);
        let outline = std::mem::take(&mut self.outline);
        let cond = self.condition(&looped.cond);
        let in_head = std::mem::replace(&mut self.outline, outline);
        self.loop_on(cond, &looped.body, format!("while {}", compact(&looped.cond)), in_head);
        self.exit(dest, looped.while_token.span);
        self.loop_unit(dest, looped.while_token.span);
    }

    pub(super) fn for_(&mut self, looped: &ExprForLoop, dest: Dest) {
        let head = format!("for {} in {}", compact(&looped.pat), compact(&looped.expr));
        let items = self.value(&looped.expr);
        let each = self.temporary(looped.expr.span());
        self.out.vars[each].mutable = true;
        let how = match unwrapped(&items) {
            Expr::Range(range) => match (&range.start, &range.limits, &range.end) {
                (Some(_), syn::RangeLimits::HalfOpen(_), _) => "each_in_range",
                (Some(_), syn::RangeLimits::Closed(_), Some(_)) => "each_in_closed_range",
                _ => "each",
            },
            _ => "each",
        };
        let how = format_ident!("{how}");
        let max = self.model.workflow.max_turns;
        let args = if how == "each" { quote::quote!(#items, #max) } else { quote::quote!(#items) };
        self.assign(each, parse_quote!(::jointlambda::private::#how(#args)));
        self.begin_loop(&looped.label, None);
        let (pat, each) = (&looped.pat, self.path(each));
        let cond: Expr =
            parse_quote!(let ::core::option::Option::Some(#pat) = ::jointlambda::private::next(&mut #each));
        self.declare(pat);
        self.loop_on(cond, &looped.body, head, Vec::new());
        self.exit(dest, looped.for_token.span);
        self.loop_unit(dest, looped.for_token.span);
    }

    fn loop_on(&mut self, cond: Expr, body: &Block, head: String, in_head: Vec<Outline>) {
        let (then, otherwise) = (self.new_seq(), self.new_seq());
        self.leave(Op::If { cond, then, otherwise });
        let (exit, depth) = self.innermost();
        self.loops.last_mut().expect("a loop was entered").exit_used = true;
        self.cursor = Some(otherwise);
        self.goto(Target { state: exit, turns: Turns::Leave(depth) });
        self.cursor = Some(then);
        self.loop_body(body, head);
        if let Some(Outline::Loop { body, .. }) = self.outline.last_mut() {
            body.splice(0..0, in_head);
        }
    }

    /// The value of a `while` or `for`.
    fn loop_unit(&mut self, dest: Dest, span: Span) {
        if matches!(dest, Dest::Var(_)) {
            self.deliver_unit(dest, span);
        }
    }

    /// The lowered loop that a `break` or `continue` is for.
    pub(super) fn find_loop(&self, label: Option<&syn::Lifetime>) -> Option<usize> {
        self.loops.iter().rposition(|l| match label {
            Some(label) => l.label.as_deref() == Some(&*label.ident.to_string()),
            None => l.head.is_some(),
        })
    }

    pub(super) fn jump_of_break(&self, jump: &ExprBreak) -> Option<(usize, Target)> {
        let at = self.find_loop(jump.label.as_ref())?;
        let Loop { exit, depth, .. } = &self.loops[at];
        Some((at, Target { state: *exit, turns: Turns::Leave(*depth) }))
    }

    pub(super) fn break_(&mut self, jump: &ExprBreak) {
        let Some((at, target)) = self.jump_of_break(jump) else { return };
        self.loops[at].exit_used |= self.cursor.is_some();
        if let Some(value) = &jump.expr {
            let dest = self.loops[at].value.map_or(Dest::Discard, Dest::Var);
            self.expr(value, dest);
        } else if let Some(var) = self.loops[at].value {
            self.deliver_unit(Dest::Var(var), jump.break_token.span);
        }
        self.goto(target);
    }
}
