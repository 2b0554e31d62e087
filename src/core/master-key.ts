/** What to do about a master key that is not the cluster's. */
export const masterKeyAdvice =
  'give the master key that the other nodes have, or, if it replaces one that leaked, run: anchorage admin ' +
  'rotate-key --new-master-key --end-tokens'
