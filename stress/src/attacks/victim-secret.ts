/** In a field of an error that must not leave the victim. */
export const SECRET = "the secret of the victim";
