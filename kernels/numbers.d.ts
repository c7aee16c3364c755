/** AssemblyScript's types of numbers, for files that both languages compile. */
type i32 = number;
type u32 = number;
type usize = number;
type f64 = number;
