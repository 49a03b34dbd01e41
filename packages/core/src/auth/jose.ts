// What is used of jose, apart from who uses it: imported as a whole and lazily, a bundle would hold all of jose.
export { createRemoteJWKSet, customFetch, errors, jwtVerify } from "jose";
