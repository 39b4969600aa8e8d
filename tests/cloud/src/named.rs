//! Which workflow a program serves that can serve several.

/// The variable that names it.
pub const WORKFLOW: &str = "WORKFLOW";

/// Serves the workflow that the environment names.
#[macro_export]
macro_rules! serve_named {
    ($serve:ident) => {
        match std::env::var($crate::named::WORKFLOW).as_deref() {
            Ok("pair") => $serve::<$crate::pair::Pair>(),
            Ok("iot_pipeline") => $serve::<$crate::named::IotPipeline>(),
            Ok("monte_carlo") => $serve::<$crate::named::MonteCarlo>(),
            Ok("question_answering") => $serve::<$crate::named::QuestionAnswering>(),
            Ok("video_analytics") => $serve::<$crate::named::VideoAnalytics>(),
            other => panic!("WORKFLOW names no workflow: {other:?}"),
        }
    };
}

pub use iot_pipeline::IotPipeline;
pub use monte_carlo::MonteCarlo;
pub use question_answering::QuestionAnswering;
pub use video_analytics::VideoAnalytics;
