/** Runs one statement; rows come back as objects, int8 as number (nothing here counts beyond 2^53). */
export type Query = <R>(text: string, params?: unknown[]) => Promise<R[]>
