export const run = 5;
