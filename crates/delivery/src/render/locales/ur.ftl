# Urdu

code-subject = آپ کا { $app } کوڈ { $code } ہے
code-subject-unnamed = آپ کا کوڈ { $code } ہے
code-heading = آپ کا { $app } کوڈ
code-heading-unnamed = آپ کا کوڈ
code-text = آپ کا { $app } کوڈ: { $code }
code-text-unnamed = آپ کا کوڈ: { $code }
code-expiry = یہ صرف ایک بار استعمال ہو سکتا ہے اور { $lifetime } تک کارآمد ہے۔
code-link = یا لاگ اِن کرنے کے لیے یہ لنک کھولیں:
code-button = لاگ اِن کریں
code-warning = یہ کوڈ کسی کو نہ بتائیں۔ اگر آپ نے اس کی درخواست نہیں کی تو اس پیغام کو نظر انداز کر سکتے ہیں۔

login-subject = لاگ اِن کریں: { $app }
login-subject-unnamed = لاگ اِن کریں
login-link = لاگ اِن کرنے کے لیے یہ لنک اُسی آلے پر کھولیں جس پر آپ نے درخواست کی تھی:
login-copy = لاگ اِن کرنے کے لیے یہ متن وہاں نقل کریں جہاں آپ نے درخواست کی تھی:
login-button = لاگ اِن کریں
login-warning = یہ پیغام کسی کو نہ دیں۔ اگر آپ نے اس کی درخواست نہیں کی تو اسے نظر انداز کر سکتے ہیں۔

recovery-subject = اپنا { $app } اکاؤنٹ بحال کریں
recovery-subject-unnamed = اپنا اکاؤنٹ بحال کریں
recovery-link = اکاؤنٹ بحال کرنے کے لیے یہ لنک اُسی آلے پر کھولیں جس پر آپ نے درخواست کی تھی:
recovery-copy = اکاؤنٹ بحال کرنے کے لیے یہ متن وہاں نقل کریں جہاں آپ نے درخواست کی تھی:
recovery-button = اکاؤنٹ بحال کریں
recovery-warning = یہ پیغام کسی کو نہ دیں۔ اگر آپ نے اس کی درخواست نہیں کی تو شاید کوئی اور آپ کے اکاؤنٹ میں داخل ہونے کی کوشش کر رہا ہے؛ آپ اس پیغام کو نظر انداز کر سکتے ہیں۔

bundle-expiry = یہ { $lifetime } تک کارآمد ہے۔

sms = آپ کا { $app } کوڈ: { $code }
sms-unnamed = آپ کا کوڈ: { $code }
sms-full = { sms }۔ { $lifetime } تک کارآمد۔
sms-full-unnamed = { sms-unnamed }۔ { $lifetime } تک کارآمد۔

minutes = { $number } منٹ
hours = { $number ->
    [one] { $number } گھنٹہ
   *[other] { $number } گھنٹے
    }
days = { $number } دن
