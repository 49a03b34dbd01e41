// Stands in a function's bundle for the SDK's search for credentials: Lambda puts them in the environment and nowhere else.
export { fromEnv as defaultProvider } from "@aws-sdk/credential-provider-env";
