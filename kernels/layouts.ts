// Generated from table.ts by `npm run generate`.

/** A column of `rows` entries begins at its offset times `rows`. */

/** Offsets of the columns of RowBlock, in bytes a row, and their sum. */
export class RowBlockLayout {
  static readonly lse: usize = 0;
  static readonly targetLogit: usize = 8;
  static readonly nll: usize = 16;
  static readonly maximum: usize = 24;
  static readonly reference: usize = 32;
  static readonly logSum: usize = 40;
  static readonly nanCount: usize = 48;
  static readonly posInfCount: usize = 52;
  static readonly negInfCount: usize = 56;
  static readonly bytes: usize = 60;
}

/** Offsets of the columns of RowOffsets, in bytes a row, and their sum. */
export class RowOffsetsLayout {
  static readonly offset: usize = 0;
  static readonly target: usize = 8;
  static readonly bytes: usize = 16;
}

/** Offsets of the columns of GivenRows, in bytes a row, and their sum. */
export class GivenRowsLayout {
  static readonly maximum: usize = 0;
  static readonly nanCount: usize = 8;
  static readonly posInfCount: usize = 12;
  static readonly negInfCount: usize = 16;
  static readonly bytes: usize = 20;
}

/** Offsets of the columns of RowMasses, in bytes a row, and their sum. */
export class RowMassesLayout {
  static readonly masses: usize = 0;
  static readonly sums: usize = 8;
  static readonly odd: usize = 16;
  static readonly bytes: usize = 20;
}

/** Offsets of the columns of GradientCoefficients, in bytes a row, and their sum. */
export class GradientCoefficientsLayout {
  static readonly t: usize = 0;
  static readonly b: usize = 8;
  static readonly z: usize = 16;
  static readonly bytes: usize = 24;
}

/** Offsets of the columns of CrossEntropies, in bytes a row, and their sum. */
export class CrossEntropiesLayout {
  static readonly nll: usize = 0;
  static readonly weighted: usize = 8;
  static readonly bytes: usize = 16;
}

/** Offsets of the columns of RowRanks, in bytes a row, and their sum. */
export class RowRanksLayout {
  static readonly maximum: usize = 0;
  static readonly predictions: usize = 8;
  static readonly targetRank: usize = 12;
  static readonly bytes: usize = 16;
}

/** Offsets of the columns of SoftmaxMoments, in bytes a row, and their sum. */
export class SoftmaxMomentsLayout {
  static readonly softmaxSpread: usize = 0;
  static readonly softmaxAlong: usize = 8;
  static readonly softmaxSlope: usize = 16;
  static readonly weightNorm: usize = 24;
  static readonly bytes: usize = 32;
}

/** Offsets of the columns of RowDivergences, in bytes a row, and their sum. */
export class RowDivergencesLayout {
  static readonly divergence: usize = 0;
  static readonly excess: usize = 8;
  static readonly total: usize = 16;
  static readonly infinite: usize = 24;
  static readonly bytes: usize = 28;
}

/** Offsets of the columns of RowSurvey, in bytes a row, and their sum. */
export class RowSurveyLayout {
  static readonly norms: usize = 0;
  static readonly maximum: usize = 8;
  static readonly minimum: usize = 16;
  static readonly nanCount: usize = 24;
  static readonly posInfCount: usize = 28;
  static readonly negInfCount: usize = 32;
  static readonly bytes: usize = 36;
}
