// Wallets as their owners have them: the packages ask them to sign, and never see their keys.
import { generateKeyPairSync, sign } from "node:crypto";
import { WalletType } from "@turnkey/wallet-stamper";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

/** Installs an Ethereum wallet as a browser extension does, at `window.ethereum`. It signs as EIP-191 says. */
export function installEthereumWallet() {
  const account = privateKeyToAccount(generatePrivateKey());
  const methods = {
    eth_requestAccounts: () => [account.address],
    personal_sign: ([message]) => account.signMessage({ message }),
  };
  globalThis.window ??= globalThis;
  window.ethereum = {
    async request({ method, params }) {
      if (!methods[method]) throw new Error(`the wallet has no ${method}`);
      return methods[method](params);
    },
  };
}

/** A Solana wallet: an Ed25519 key that signs the message itself. */
export function solanaWallet() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const publicKeyHex = Buffer.from(publicKey.export({ format: "jwk" }).x, "base64url").toString("hex");
  return {
    type: WalletType.Solana,
    getPublicKey: async () => publicKeyHex,
    signMessage: async (message) => sign(null, Buffer.from(message, "utf8"), privateKey).toString("hex"),
  };
}
