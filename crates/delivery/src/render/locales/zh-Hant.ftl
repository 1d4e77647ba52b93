# Chinese in traditional characters

code-subject = { $code } 是您的 { $app } 驗證碼
code-subject-unnamed = { $code } 是您的驗證碼
code-heading = 您的 { $app } 驗證碼
code-heading-unnamed = 您的驗證碼
code-text = 您的 { $app } 驗證碼是 { $code }
code-text-unnamed = 您的驗證碼是 { $code }
code-expiry = 僅能使用一次，{ $lifetime }內有效。
code-link = 或開啟此連結登入：
code-button = 登入
code-warning = 請勿將此驗證碼告訴任何人。如果不是您本人要求的，請忽略此訊息。

login-subject = 登入 { $app }
login-subject-unnamed = 登入
login-link = 請在提出要求的裝置上開啟此連結以登入：
login-copy = 請將此文字複製到您提出要求的地方以登入：
login-button = 登入
login-warning = 請勿將此訊息轉給任何人。如果不是您本人要求的，請忽略。

recovery-subject = 復原您的 { $app } 帳戶
recovery-subject-unnamed = 復原您的帳戶
recovery-link = 請在提出要求的裝置上開啟此連結以復原帳戶：
recovery-copy = 請將此文字複製到您提出要求的地方以復原帳戶：
recovery-button = 復原帳戶
recovery-warning = 請勿將此訊息轉給任何人。如果不是您本人要求的，可能有人正試圖進入您的帳戶；您可以忽略此訊息。

bundle-expiry = { $lifetime }內有效。

sms = { $app } 驗證碼：{ $code }
sms-unnamed = 驗證碼：{ $code }
sms-full = { sms }，{ $lifetime }內有效。
sms-full-unnamed = { sms-unnamed }，{ $lifetime }內有效。

minutes = { $number } 分鐘
hours = { $number } 小時
days = { $number } 天
