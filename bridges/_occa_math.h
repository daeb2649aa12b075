// muladd(a, b, c) is a b + c for every OKL source: rounded once where the machine does it in one
// instruction, twice elsewhere, and the same in every loop of a program. Compilers do not contract by
// themselves: they would do it otherwise in the vector body of a row than in its rest, and a cell's
// last bit would depend on its place in the row, which is to say on the number of ranks.
#ifdef FUSED
#define muladd FUSED
#else
inline real muladd(const real a, const real b, const real c) {
  return a * b + c;
}
#endif
