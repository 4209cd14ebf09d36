//! Diagnosis of a small machine, from the books to the words.

mod books;
mod borderline;
mod interrupts;
mod machine;
mod verdicts;
mod words;
