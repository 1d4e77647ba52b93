# Japanese

code-subject = { $code } は { $app } の認証コードです
code-subject-unnamed = { $code } は認証コードです
code-heading = { $app } の認証コード
code-heading-unnamed = 認証コード
code-text = { $app } の認証コード: { $code }
code-text-unnamed = 認証コード: { $code }
code-expiry = 使用できるのは一度だけで、有効期間は{ $lifetime }です。
code-link = または、次のリンクを開いてログインしてください:
code-button = ログイン
code-warning = このコードを誰にも教えないでください。心当たりがない場合は、このメッセージを無視してください。

login-subject = { $app } にログイン
login-subject-unnamed = ログイン
login-link = ログインするには、リクエストした端末で次のリンクを開いてください:
login-copy = ログインするには、次の文字列をリクエストした画面に貼り付けてください:
login-button = ログイン
login-warning = このメッセージを誰にも転送しないでください。心当たりがない場合は、無視してください。

recovery-subject = { $app } アカウントの復元
recovery-subject-unnamed = アカウントの復元
recovery-link = アカウントを復元するには、リクエストした端末で次のリンクを開いてください:
recovery-copy = アカウントを復元するには、次の文字列をリクエストした画面に貼り付けてください:
recovery-button = アカウントを復元
recovery-warning = このメッセージを誰にも転送しないでください。心当たりがない場合は、他の人がアカウントに入ろうとしている可能性があります。このメッセージは無視してかまいません。

bundle-expiry = 有効期間は{ $lifetime }です。

sms = { $app } の認証コード: { $code }
sms-unnamed = 認証コード: { $code }
sms-full = { sms }（{ $lifetime }有効）
sms-full-unnamed = { sms-unnamed }（{ $lifetime }有効）

minutes = { $number }分間
hours = { $number }時間
days = { $number }日間
